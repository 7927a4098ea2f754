"""Write a segment for an engine on the CPU: uint8 values between int8 weights.

1. Every value that the placement rounds gets one QuantizeLinear (256 levels, any zero point) and one DequantizeLinear;
   all its readers take the rounded value, because an engine fuses rounding into a node only if nothing reads the
   unrounded result.
2. A boundary value that crosses as uint8 is rounded in the segment that makes it and restored in the one that reads it.
3. Weights are stored as int8. ONNX Runtime fuses a bias only as int32, OpenVINO one in float.
4. Logits are never rounded: a node that makes them writes float.
"""

from collections.abc import Collection, Mapping

import numpy as np
import onnx_ir as ir

from eecalib.int8.ranges import TensorRange
from eecompile.precision.int8.candidates import Candidate, is_score_node
from eecompile.precision.int8.find_range import find_range
from eecompile.precision.int8.grid import Grid, unsigned_grid
from eecompile.precision.int8.placement import Placement
from eecompile.precision.int8.qdq_nodes import QdqNodes, drop_unused
from eecompile.precision.int8.weights import bias_int32, channel_axis, round_weights, weight_scales

__all__ = ["lower_cpu"]


def lower_cpu(
    graph: ir.Graph,
    placement: Placement,
    ranges: Mapping[str, TensorRange],
    *,
    crossing: Collection[str],
    integer_bias: bool,
) -> None:
    """Change one segment in place.

    Args:
        graph: float32.
        placement: of this graph.
        ranges: by name of value, shared where integers pass unchanged.
        crossing: graph inputs and outputs that become uint8.
        integer_bias: write biases as int32.

    Raises:
        BuildError: a value has no range, or a weight is not finite.
    """
    writer = QdqNodes(graph)
    values = {v.name or "": v for v in [*graph.inputs, *(o for node in graph for o in node.outputs)]}
    grids = {name: unsigned_grid(find_range(ranges, values[name])) for name in sorted(placement.rounded)}
    weights = {(v.name or "") for c in placement.nodes for v in (c.weight, c.bias) if v is not None}
    for candidate in placement.nodes:
        if candidate.weight is not None:
            grid = grids[candidate.data[0].name or ""]
            _write_weights(writer, candidate, grid, integer_bias=integer_bias)
    for name, grid in grids.items():
        _round_value(graph, writer, values[name], grid, crosses=name in crossing)
    drop_unused(graph, weights)


def _write_weights(writer: QdqNodes, candidate: Candidate, grid: Grid, *, integer_bias: bool) -> None:
    """Replace weights, and the bias where asked, by integers behind a DequantizeLinear."""
    node, name = candidate.node, f"{candidate.node.name}/weight"
    scales = weight_scales(candidate, dtype=np.dtype(np.float32), input_scale=grid.scale if integer_bias else None)
    integers = writer.constant(f"{name}/int8", round_weights(candidate, scales))
    scale = writer.constant(f"{name}/scale", scales)
    zero = writer.constant(f"{name}/zero_point", np.zeros(scales.shape, np.int8))
    axis = channel_axis(candidate)
    node.replace_input_with(1, writer.dequantise(integers, scale, zero, name=name, axis=axis, before=node))
    if candidate.bias is not None and integer_bias:
        name = f"{node.name}/bias"
        rounded, steps = bias_int32(candidate, scales, input_scale=grid.scale)
        integers = writer.constant(f"{name}/int32", rounded)
        scale = writer.constant(f"{name}/scale", steps)
        zero = writer.constant(f"{name}/zero_point", np.zeros(steps.shape, np.int32))
        node.replace_input_with(2, writer.dequantise(integers, scale, zero, name=name, axis=0, before=node))


def _round_value(graph: ir.Graph, writer: QdqNodes, value: ir.Value, grid: Grid, *, crosses: bool) -> None:
    """Let every reader of `value`, and the graph output of its name, take it rounded; scores take it as it is."""
    name = value.name or ""
    scored = any(is_score_node(node) for node in value.consumers())
    readers = [(node, index) for node, index in value.uses() if not is_score_node(node)]
    outputs = [] if scored or value.is_graph_input() else [i for i, v in enumerate(graph.outputs) if v is value]
    scale, zero = writer.grid(name, grid, ir.DataType.FLOAT)
    integers = value
    if crosses and value.is_graph_input():
        value.type = ir.TensorType(ir.DataType.UINT8)
    else:
        integers = writer.quantise(value, scale, zero, name=name, axis=None, before=None)
    made = integers
    if readers or (outputs and not crosses):
        made = writer.dequantise(integers, scale, zero, name=name, axis=None, before=None)
        for node, index in readers:
            node.replace_input_with(index, made)
    if outputs:
        output = integers if crosses else made
        value.name, output.name = f"{name}/float", name
        for index in outputs:
            graph.outputs[index] = output
