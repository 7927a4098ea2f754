"""Which boundary values cross from segment to segment as uint8: a quarter of the bytes, and no rounding twice.

A value crosses as uint8 if the segment that makes it would round it anyway, and every segment that reads it reads it
with a node on eight bits. This holds for engines on the CPU; TensorRT's boundaries stay in float.
"""

from collections.abc import Collection, Sequence

import onnx_ir as ir

from eecompile.precision.int8.candidates import is_score_node
from eecompile.precision.int8.placement import place

__all__ = ["quantised_crossings"]


def quantised_crossings(segments: Sequence[ir.Model], *, keep_float: Collection[str]) -> frozenset[str]:
    """Return the names of the boundary values that may cross as uint8.

    Args:
        segments: all segments of a network, in order, in float.
        keep_float: names of nodes that stay in float.
    """
    made = {v.name for model in segments for v in model.graph.outputs}
    crossing = {str(v.name) for model in segments for v in model.graph.inputs if v.name in made}
    while True:
        refused = {
            name
            for model in segments
            for name in crossing
            if not _agrees(model.graph, name, keep_float=keep_float, crossing=crossing)
        }
        if not refused:
            return frozenset(crossing)
        crossing -= refused


def _agrees(graph: ir.Graph, name: str, *, keep_float: Collection[str], crossing: Collection[str]) -> bool:
    """Whether a segment that touches the value would hold it as uint8 all by itself."""
    placement = place(graph, keep_float=keep_float, crossing=crossing)
    for value in graph.outputs:
        if value.name == name:
            scored = any(is_score_node(node) for node in value.consumers())
            return not scored and name in {c.output.name for c in placement.nodes}
    for value in graph.inputs:
        if value.name == name:
            readers = {c.node for c in placement.nodes}
            return all(node in readers for node in value.consumers())
    return True
