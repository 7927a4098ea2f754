"""Scales, zero points and rounded weights."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eecalib.int8.ranges import TensorRange
from eecompile.precision.int8.candidates import candidates
from eecompile.precision.int8.grid import signed_grid, unsigned_grid
from eecompile.precision.int8.weights import bias_int32, round_weights, weight_scales
from eengines.errors import BuildError

magnitudes = st.floats(0, 1e6, allow_nan=False).filter(lambda x: x == 0 or x > 1e-6)


def convolution(weight, bias):
    values = {n: np.asarray(a, np.float32) for n, a in {"w": weight, "b": bias}.items()}
    weights = [
        ir.Value(name=n, const_value=ir.tensor(a, name=n), type=ir.TensorType(ir.DataType.FLOAT))
        for n, a in values.items()
    ]
    data = ir.val("x", dtype=ir.DataType.FLOAT, shape=("batch", values["w"].shape[1], 4, 4))
    node = ir.node("Conv", [data, *weights], name="conv")
    node.outputs[0].name = "y"
    graph = ir.Graph([data], [node.outputs[0]], nodes=[node], initializers=weights, opset_imports={"": 20})
    (found,) = candidates(graph, keep_float=())
    return found


@given(low=magnitudes, high=magnitudes)
def test_unsigned_grid_covers_the_range_and_holds_zero(low, high):
    grid = unsigned_grid(TensorRange(low=-low, high=high))
    zero = int(grid.zero_point)
    assert 0 <= zero <= 255
    assert grid.scale > 0
    ends = (np.array([0, 255]) - zero) * grid.scale
    assert ends[0] <= -low + grid.scale
    assert ends[1] >= high - grid.scale
    if low == 0:
        assert zero == 0


@given(low=magnitudes, high=magnitudes)
def test_signed_grid_is_symmetric(low, high):
    grid = signed_grid(TensorRange(low=-low, high=high))
    assert grid.zero_point == 0
    assert grid.zero_point.dtype == np.int8
    assert 127 * grid.scale >= max(low, high) * (1 - 1e-6)


def test_a_range_of_zero_or_next_to_it_has_a_usable_scale():
    for high in (0.0, 1e-45, 1e-38):
        for grid in (unsigned_grid(TensorRange(low=0.0, high=high)), signed_grid(TensorRange(low=0.0, high=high))):
            assert np.float32(grid.scale) > 0
            assert np.isfinite(1 / np.float32(grid.scale))


@given(seed=st.integers(0, 1000), dtype=st.sampled_from([np.float32, np.float16]))
def test_weights_are_within_half_a_step(seed, dtype):
    weight = np.random.default_rng(seed).standard_normal((4, 3, 3, 3)).astype(np.float32)
    candidate = convolution(weight, np.zeros(4))
    scales = weight_scales(candidate, dtype=np.dtype(dtype), input_scale=None)
    assert scales.dtype == dtype
    restored = round_weights(candidate, scales) * scales.astype(np.float64).reshape(4, 1, 1, 1)
    assert np.abs(restored - weight).max() <= scales.astype(np.float64).max() * 0.5001


def test_a_channel_of_zeros():
    candidate = convolution(np.zeros((2, 1, 1, 1)), [0.0, 3.0])
    scales = weight_scales(candidate, dtype=np.dtype(np.float32), input_scale=0.01)
    assert (scales > 0).all()
    assert not round_weights(candidate, scales).any()
    bias, steps = bias_int32(candidate, scales, input_scale=0.01)
    np.testing.assert_allclose(bias * steps.astype(np.float64), [0.0, 3.0], rtol=1e-3)


@given(size=st.floats(1e-30, 1e-3), bias=st.floats(-1e3, 1e3), step=st.floats(1e-6, 10))
def test_a_bias_never_overflows(size, bias, step):
    candidate = convolution(np.full((1, 1, 1, 1), size), [bias])
    scales = weight_scales(candidate, dtype=np.dtype(np.float32), input_scale=step)
    rounded, steps = bias_int32(candidate, scales, input_scale=step)
    got = float(rounded[0]) * float(steps[0])
    assert got == pytest.approx(float(np.float32(bias)), abs=float(steps[0]), rel=1e-6)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(wrong):
    candidate = convolution([[[[1.0]]], [[[wrong]]]], [0.0, 0.0])
    with pytest.raises(BuildError, match=r"node 'conv', weight 'w': 1 of 2 numbers are not finite"):
        weight_scales(candidate, dtype=np.dtype(np.float32), input_scale=None)
