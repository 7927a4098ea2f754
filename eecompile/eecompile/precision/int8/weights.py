"""Weights as int8, one symmetric scale an output channel.

A channel of zeros gets the scale 1. A scale never falls below what its bias needs: engines that take the bias as int32
round it to `input scale · weight scale`, and a channel with tiny weights and a large bias would overflow. The floor
costs such a channel precision where it has no effect anyway: its weights vanish beside its bias.
"""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from eecompile.precision.int8.candidates import Candidate
from eecompile.precision.int8.grid import LEAST_SCALE
from eengines.errors import BuildError
from eengines.tensors import Array

__all__ = ["bias_int32", "channel_axis", "round_weights", "weight_scales"]

LARGEST_BIAS = 2**30
"""A quarter of int32: the sum of products still fits beside the bias."""


def channel_axis(candidate: Candidate) -> int | None:
    """The axis of the output channels, or None where no single axis holds them (grouped transposed convolution)."""
    node = candidate.node
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose":
        return 1 if node.attributes.get_int("group", 1) == 1 else None
    return 0 if node.op_type == "Gemm" and node.attributes.get_int("transB", 0) == 1 else 1


def weight_scales(candidate: Candidate, *, dtype: np.dtype, input_scale: float | None) -> Array:
    """Return the scales, `[channels]`, or `[]` where there is no channel axis.

    Args:
        candidate: a weighted node.
        dtype: what the scales are stored as; they are rounded up, so that no weight is clipped.
        input_scale: scale of the data, where the bias becomes int32; else None.

    Raises:
        BuildError: a weight is not finite.
    """
    values = _array(candidate.weight, candidate)
    axis = channel_axis(candidate)
    others = None if axis is None else tuple(a for a in range(values.ndim) if a != axis)
    scales = np.asarray(np.abs(values).max(axis=others)) / 127
    if input_scale is not None and candidate.bias is not None:
        bias = np.abs(_array(candidate.bias, candidate)).reshape(-1)
        floor = np.maximum(bias / LARGEST_BIAS, LEAST_SCALE * (bias > 0))
        scales = np.maximum(scales, floor / input_scale)
    scales = np.where(scales > 0, np.maximum(scales, LEAST_SCALE), 1.0)
    stored = scales.astype(dtype)
    return np.where(stored < scales, np.nextafter(stored, np.array(np.inf, dtype)), stored).astype(dtype)


def round_weights(candidate: Candidate, scales: Array) -> NDArray[np.int8]:
    """Return the weights as int8, half to even."""
    values = _array(candidate.weight, candidate)
    axis = channel_axis(candidate)
    shape = [1] * values.ndim
    if axis is not None:
        shape[axis] = -1
    rounded = np.rint(values / scales.astype(np.float64).reshape(shape))
    return np.clip(rounded, -127, 127).astype(np.int8)


def bias_int32(candidate: Candidate, scales: Array, *, input_scale: float) -> tuple[NDArray[np.int32], Array]:
    """Return the bias `[channels]` as int32 and its scales `input scale · weight scale`, float32."""
    steps = (scales.astype(np.float32) * np.float32(input_scale)).astype(np.float32)
    bias = _array(candidate.bias, candidate).reshape(-1)
    return np.rint(bias / np.maximum(steps.astype(np.float64), LEAST_SCALE)).astype(np.int32), steps


def _array(value: ir.Value | None, candidate: Candidate) -> NDArray[np.float64]:
    """A constant as float64."""
    if value is None or value.const_value is None:
        raise BuildError(f"node {candidate.node.name!r}", "it has no constant weights", "Keep it in float")
    array: NDArray[np.float64] = value.const_value.numpy().astype(np.float64)
    wrong = int((~np.isfinite(array)).sum())
    if wrong:
        raise BuildError(
            f"node {candidate.node.name!r}, weight {value.name!r}",
            f"{wrong} of {array.size} numbers are not finite",
            "Train again, or keep the node in float with --keep-float",
        )
    return array
