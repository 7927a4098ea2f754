"""A model raised to a newer opset computes the same; one that is new enough is not touched."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from random_networks import NetworkMaker

from eecompile.passes.raise_opset import raise_opset
from eecompile.session import run_model


@pytest.mark.parametrize("opset", [19, 22])
def test_raised_and_the_same(opset):
    maker = NetworkMaker(3, exits=2, width=5, with_mask=False, with_shape=True)
    model, inputs = ir.from_proto(maker.model()), maker.inputs(4, seed=0)
    expected = run_model(model, inputs)
    raise_opset(model, opset)
    assert model.graph.opset_imports[""] == opset
    onnx.checker.check_model(ir.to_proto(model))
    got = run_model(model, inputs)
    assert all(np.allclose(got[name], expected[name], atol=1e-6) for name in expected)


def test_new_enough_is_left_alone():
    model = ir.from_proto(NetworkMaker(3, exits=1, width=4, with_mask=False, with_shape=False).model())
    raise_opset(model, 17)
    assert model.graph.opset_imports[""] == 18
