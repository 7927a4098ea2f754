"""Values that float16 cannot hold are found on data, and keeping their nodes in float32 helps."""

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from eecompile.precision.float_types import to_half
from eecompile.precision.overflow import FLOAT16_LARGEST, find_overflow, measure_largest
from eengines.errors import BuildError


def growing() -> ir.Model:
    """`y = (relu(x) · 300 · 300) · 1e-5`: the second value is too large, its inputs and outputs are not."""
    weights = {"a": 300.0, "b": 300.0, "c": 1e-5}
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], name="relu"),
        helper.make_node("Mul", ["r", "a"], ["first"], name="mul_a"),
        helper.make_node("Mul", ["first", "b"], ["second"], name="mul_b"),
        helper.make_node("Mul", ["second", "c"], ["y"], name="mul_c"),
    ]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", 2]) for n in ("x", "y")]
    inner = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", 2]) for n in ("r", "first", "second")]
    graph = helper.make_graph(
        nodes,
        "growing",
        values[:1],
        values[1:],
        [numpy_helper.from_array(np.array(v, np.float32), n) for n, v in weights.items()],
        value_info=inner,
    )
    return ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10))


SAMPLES = {"x": np.array([[1, -3], [2, 0.5], [0.25, 0]], np.float32)}


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_the_largest_magnitude_of_every_value(batch):
    largest = measure_largest(growing(), SAMPLES, batch=batch)
    assert largest == pytest.approx({"x": 3, "r": 2, "first": 600, "second": 180000, "y": 1.8})


def test_the_overflowing_value_and_the_nodes_around_it():
    model = growing()
    found = find_overflow(model, measure_largest(model, SAMPLES, batch=2), limit=FLOAT16_LARGEST)
    assert [(v.value, v.node, v.largest) for v in found.values] == [("second", "mul_b", 180000.0)]
    assert found.keep_float == {"mul_b", "mul_c"}
    assert found.keep_crossing == frozenset()


def test_kept_nodes_repair_the_answer():
    # the reference evaluator: ONNX Runtime's CPU has no float16 product, computes in float32 and hides the overflow
    def run(model):
        with np.errstate(over="ignore"):
            return ReferenceEvaluator(ir.to_proto(model)).run(["y"], SAMPLES)[0]

    reference = run(growing())
    broken, repaired = growing(), growing()
    found = find_overflow(broken, measure_largest(broken, SAMPLES, batch=3), limit=FLOAT16_LARGEST)
    to_half(broken, dtype=ir.DataType.FLOAT16, crossing=frozenset(), keep_float=frozenset())
    to_half(repaired, dtype=ir.DataType.FLOAT16, crossing=frozenset(), keep_float=found.keep_float)
    assert not np.isfinite(run(broken)).all()
    assert run(repaired) == pytest.approx(reference, rel=2e-3)


def test_a_margin_finds_more_and_a_boundary_is_named():
    model = growing()
    found = find_overflow(model, measure_largest(model, SAMPLES, batch=3), limit=1.0)
    assert [v.value for v in found.values] == ["x", "r", "first", "second", "y"]
    assert found.values[0].node is None
    assert found.keep_crossing == {"x", "y"}


def test_nothing_overflows():
    model = growing()
    found = find_overflow(model, measure_largest(model, {"x": SAMPLES["x"] * 0.1}, batch=3), limit=FLOAT16_LARGEST)
    assert not found.values
    assert not found.keep_float


def test_infinity_is_no_overflow_and_nan_is_an_error():
    # -inf is what masks hold; relu turns it into 0 and inf into inf
    largest = measure_largest(growing(), {"x": np.array([[np.inf, 0.5], [-np.inf, 0]], np.float32)}, batch=2)
    assert largest["r"] == 0.5
    with pytest.raises(BuildError, match=r"value 'x': it is NaN in float32, within 1 .* from sample 1 on"):
        measure_largest(growing(), {"x": np.array([[0, 1], [np.nan, 1]], np.float32)}, batch=1)


def test_no_samples():
    with pytest.raises(BuildError, match="got no samples"):
        measure_largest(growing(), {"x": np.zeros((0, 2), np.float32)}, batch=1)
