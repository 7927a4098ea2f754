"""The values whose ranges the lowerings need: what the calibration has to watch."""

from collections.abc import Collection

import onnx_ir as ir

from eecompile.precision.int8.candidates import candidates, is_score_node, only_for_softmax
from eecompile.precision.int8.lower_tensorrt import rounded_inputs
from eecompile.precision.int8.placement import place

__all__ = ["calibration_values"]


def calibration_values(model: ir.Model, *, keep_float: Collection[str]) -> tuple[str, ...]:
    """Return the names of the float values that some engine family may round, in the order of the graph.

    A value that crosses a boundary is listed by the segment that makes it as well as by those that read it; it has one
    range, and calibrating it where it is made sees every sample that any reader sees.

    Args:
        model: one segment, or the network without exit heads, in float32.
        keep_float: names of nodes that stay in float.
    """
    graph = model.graph
    boundary = {v.name or "" for v in [*graph.inputs, *graph.outputs] if _may_cross(v)}
    names = set(place(graph, keep_float=keep_float, crossing=boundary).rounded)
    names |= {v.name or "" for v in rounded_inputs(candidates(graph, keep_float=keep_float))}
    values = [*graph.inputs, *(v for node in graph for v in node.outputs)]
    return tuple(v.name for v in values if v.name in names)


def _may_cross(value: ir.Value) -> bool:
    """Whether a float value at the edge may be one that another segment reads: it is not logits, score or state."""
    producer = value.producer()
    if value.dtype is not ir.DataType.FLOAT or (producer is not None and is_score_node(producer)):
        return False
    if any(is_score_node(node) for node in value.consumers()) or only_for_softmax(value):
        return False
    return bool(value.uses()) or not value.is_graph_input()
