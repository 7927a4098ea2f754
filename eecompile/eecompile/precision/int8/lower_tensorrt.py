"""Write a segment for TensorRT: symmetric int8, placed as its guide to explicit quantisation asks.

1. Zero points are 0. Scales are one a tensor for activations, one an output channel for weights.
2. Inputs of weighted nodes are rounded, their results are not, so that TensorRT chooses the type in between. Biases
   stay in float, and weights are float constants behind a QuantizeLinear (TensorRT 8.6 wants it so).
3. Of the two inputs of a residual Add only the identity branch is rounded: the other one is the result of a convolution
   that TensorRT fuses with the Add.
4. Readers in float, logits and boundaries keep the value as it is.
5. In a float16 graph the scales are float16, which ONNX allows from opset 19 on.

Source: NVIDIA, "Working with quantized types", section "Q/DQ layer-placement recommendations".
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from eecalib.int8.ranges import TensorRange
from eecompile.precision.int8.candidates import Candidate, candidates
from eecompile.precision.int8.find_range import find_range
from eecompile.precision.int8.grid import signed_grid
from eecompile.precision.int8.qdq_nodes import QdqNodes
from eecompile.precision.int8.residual import fused_operands
from eecompile.precision.int8.weights import channel_axis, weight_scales
from eengines.errors import BuildError

__all__ = ["lower_tensorrt", "rounded_inputs"]

OLDEST_HALF_OPSET = 19


def lower_tensorrt(graph: ir.Graph, ranges: Mapping[str, TensorRange], *, keep_float: Collection[str]) -> None:
    """Change one segment in place; its floats are float32 or float16.

    Raises:
        BuildError: a value has no range, a weight is not finite, or the opset has no float16 scales.
    """
    writer = QdqNodes(graph)
    found = candidates(graph, keep_float=keep_float)
    readers = rounded_inputs(found)
    for value, nodes in readers.items():
        name = value.name or ""
        scale, zero = writer.grid(name, signed_grid(find_range(ranges, value)), _float_type(graph, value, nodes))
        integers = writer.quantise(value, scale, zero, name=name, axis=None, before=None)
        restored = writer.dequantise(integers, scale, zero, name=name, axis=None, before=None)
        for node in nodes:
            for index in [i for i, each in enumerate(node.inputs) if each is value]:
                node.replace_input_with(index, restored)
    for candidate in found:
        if candidate.weight is not None:
            _round_weights(writer, candidate, candidate.weight)


def rounded_inputs(found: Sequence[Candidate]) -> dict[ir.Value, list[ir.Node]]:
    """The values that are rounded, each with the nodes that read it rounded, in the order of the graph."""
    fused = fused_operands(found)
    readers: dict[ir.Value, list[ir.Node]] = {}
    for candidate in found:
        if candidate.weight is not None:
            readers.setdefault(candidate.data[0], []).append(candidate.node)
        elif candidate.node in fused:
            first, second = candidate.data
            identity = second if fused[candidate.node] is first else first
            readers.setdefault(identity, []).append(candidate.node)
    return readers


def _float_type(graph: ir.Graph, value: ir.Value, nodes: Sequence[ir.Node]) -> ir.DataType:
    """The type of a value: its own, or that of the weights it meets."""
    weights = [v.dtype for node in nodes for v in node.inputs if v is not None and v.const_value is not None]
    dtype = value.dtype or next((d for d in weights if d is not None), ir.DataType.FLOAT)
    opset = graph.opset_imports.get("", 0)
    if dtype is ir.DataType.FLOAT16 and opset < OLDEST_HALF_OPSET:
        raise BuildError(
            f"value {value.name!r}",
            f"it is float16, and opset {opset} has no float16 scales; expected {OLDEST_HALF_OPSET} or newer",
            "Leave the rest of the graph in float32, or build for a TensorRT with a newer opset",
        )
    return dtype


def _round_weights(writer: QdqNodes, candidate: Candidate, weight: ir.Value) -> None:
    """Put a QuantizeLinear and a DequantizeLinear behind the weights."""
    node, name = candidate.node, f"{candidate.node.name}/weight"
    dtype = weight.dtype or ir.DataType.FLOAT
    scales = weight_scales(candidate, dtype=dtype.numpy(), input_scale=None)
    scale = writer.constant(f"{name}/scale", scales)
    zero = writer.constant(f"{name}/zero_point", np.zeros(scales.shape, np.int8))
    axis = channel_axis(candidate)
    integers = writer.quantise(weight, scale, zero, name=name, axis=axis, before=node)
    node.replace_input_with(1, writer.dequantise(integers, scale, zero, name=name, axis=axis, before=node))
