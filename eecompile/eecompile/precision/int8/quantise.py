"""Make an explicit INT8 graph of a float32 segment for one family of engines."""

from collections.abc import Collection, Mapping

import onnx_ir as ir

from eecalib.int8.ranges import TensorRange
from eecompile.precision.int8.lower_cpu import lower_cpu
from eecompile.precision.int8.lower_tensorrt import lower_tensorrt
from eecompile.precision.int8.mean_as_pool import write_means_as_pools
from eecompile.precision.int8.placement import place, without_fused_operands
from eecompile.precision.int8.shared_scales import share_ranges
from eengines.errors import BuildError

__all__ = ["FAMILIES", "quantise"]

FAMILIES = ("onnxruntime", "openvino", "tensorrt")
"""Families of engines with a Q/DQ pattern of their own."""

OLDEST_OPSET = 13
"""From this opset on, QuantizeLinear takes a scale for each channel."""


def quantise(
    model: ir.Model,
    *,
    family: str,
    ranges: Mapping[str, TensorRange],
    keep_float: Collection[str],
    crossing: Collection[str],
) -> ir.Model:
    """Return a new model with QuantizeLinear and DequantizeLinear nodes; the given one is not changed.

    Args:
        model: one segment, or the network without exit heads: float32, or for TensorRT the float16 graph made of it.
        family: one of `FAMILIES`.
        ranges: by name of value, for all of `calibration_values`; of a network in segments pass them through
            `share_ranges` with all segments first.
        keep_float: names of nodes that stay in float, next to those that are never rounded (scores, Softmax).
        crossing: boundary values that cross as uint8, from `quantised_crossings`; ignored by TensorRT.

    Raises:
        BuildError: the family is unknown, the opset is older than 13, a value has no range, a weight is not finite.
    """
    if family not in FAMILIES:
        raise BuildError(f"family {family!r}", f"expected one of {', '.join(FAMILIES)}", "Choose one of these")
    opset = model.opset_imports.get("", 0)
    if opset < OLDEST_OPSET:
        raise BuildError(
            f"graph {model.graph.name!r}",
            f"got ONNX opset {opset}, expected {OLDEST_OPSET} or newer",
            "Export the network at a newer opset",
        )
    result = model.clone()
    graph = result.graph
    if family == "onnxruntime":
        write_means_as_pools(graph, keep_float=keep_float)
    shared = share_ranges([result], ranges, keep_float=keep_float)
    if family == "tensorrt":
        lower_tensorrt(graph, shared, keep_float=keep_float)
    else:
        _check_float32(graph, family)
        placement = place(graph, keep_float=keep_float, crossing=crossing)
        if family == "openvino":
            placement = without_fused_operands(placement)
        lower_cpu(graph, placement, shared, crossing=crossing, integer_bias=family == "onnxruntime")
    return result


def _check_float32(graph: ir.Graph, family: str) -> None:
    """Engines on the CPU mix eight bits with float32 only."""
    for value in graph.initializers.values():
        if value.dtype in (ir.DataType.FLOAT16, ir.DataType.BFLOAT16):
            raise BuildError(
                f"weight {value.name!r}",
                f"got {value.dtype} for family {family}, expected float32",
                "Quantise the float32 segment, before any conversion to half precision",
            )
