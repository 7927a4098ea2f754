"""Two versions of one segment: other weights, and what depends on them."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from eecompile.refresh.changed_values import changed_values, same_but_for_weights


def chain(weights: list[float], *, operation: str = "Add") -> onnx.ModelProto:
    """`x` → `v0` → `v1` → …, each with one weight."""
    names = ["x", *(f"v{index}" for index in range(len(weights)))]
    nodes = [
        helper.make_node(operation, [names[index], f"w{index}"], [names[index + 1]]) for index in range(len(weights))
    ]
    values = [numpy_helper.from_array(np.float32([weight]), f"w{index}") for index, weight in enumerate(weights)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]) for name in (names[0], names[-1])]
    return helper.make_model(helper.make_graph(nodes, "chain", ends[:1], ends[1:], values))


@given(
    weights=st.lists(st.floats(-9, 9, width=32), min_size=1, max_size=6),
    others=st.lists(st.floats(-9, 9, width=32), min_size=6, max_size=6),
)
def test_everything_behind_the_first_changed_weight(weights, others):
    new = others[: len(weights)]
    same = [np.float32(a).tobytes() == np.float32(b).tobytes() for a, b in zip(weights, new, strict=True)]
    first = same.index(False) if False in same else len(weights)
    before, after = chain(weights), chain(new)
    assert same_but_for_weights(before, after)
    assert changed_values(before, after) == {f"v{index}" for index in range(first, len(weights))}


@pytest.mark.parametrize("other", [chain([1.0, 2.0, 3.0]), chain([1.0, 2.0], operation="Mul")])
def test_another_graph_is_not_the_same(other):
    assert not same_but_for_weights(chain([1.0, 2.0]), other)
