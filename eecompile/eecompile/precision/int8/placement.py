"""Which nodes of a segment run on eight bits on a CPU, and which values are held as uint8 between them.

Both CPU engines fuse nearly the same pattern: integers from node to node, the result of a residual Add rounded behind
its activation. So they share one plan, but for one place (`without_fused_operands`):

1. Every weighted node runs on eight bits and rounds its input.
2. A convolution's result is always rounded: ONNX Runtime fuses no convolution that writes float.
3. A joining node does where all its inputs come from such nodes and one such node reads its result. Otherwise it stays
   in float: converting to eight bits only to move elements costs more than it saves.
4. A convolution that makes logits, with nothing but moved elements between, stays in float: its result would have to be
   rounded, and logits never are. Nor are those of a map `[batch, classes, height, width]`, resized or not.
5. Any other value is rounded if a node on eight bits reads it, or if it crosses to another segment as uint8.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

import onnx_ir as ir

from eecompile.precision.int8.candidates import MOVING, Candidate, candidates
from eecompile.precision.int8.residual import fused_operands

__all__ = ["Placement", "place", "without_fused_operands"]

FLOAT_ON_CPU = frozenset({"ConvTranspose"})
"""No eight-bit kernel in ONNX Runtime on the CPU."""

RESIZING = frozenset({"Resize"})
MAP_RANK = 4
"""Axes of logits `[batch, classes, height, width]`, which are the first output of their graph."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The plan for one segment.

    Attributes:
        nodes: what runs on eight bits, in the order of the graph.
        rounded: names of the values held as uint8.
    """

    nodes: tuple[Candidate, ...]
    rounded: frozenset[str]


def place(graph: ir.Graph, *, keep_float: Collection[str], crossing: Collection[str]) -> Placement:
    """Plan one segment.

    Args:
        graph: the segment; it is not changed.
        keep_float: names of nodes that stay in float.
        crossing: graph inputs and outputs that are uint8.
    """
    found = candidates(graph, keep_float=keep_float)
    nodes = [c for c in found if c.node.op_type not in FLOAT_ON_CPU and not _makes_logits(graph, c, crossing)]
    given = {v.name for v in graph.inputs} & set(crossing)
    wanted = {v.name for v in graph.outputs} & set(crossing)
    while True:
        made = {c.output.name for c in nodes} | given
        read = {v.name for c in nodes for v in c.data} | wanted
        kept = [
            c for c in nodes if c.weight is not None or (c.output.name in read and all(v.name in made for v in c.data))
        ]
        if len(kept) == len(nodes):
            break
        nodes = kept
    convolved = {c.output.name for c in nodes if c.node.op_type == "Conv"}
    return Placement(nodes=tuple(nodes), rounded=frozenset(str(name) for name in read | given | convolved))


def without_fused_operands(placement: Placement) -> Placement:
    """Return the plan without rounding between a convolution and the residual Add that is fused into it.

    ONNX Runtime needs this rounding. OpenVINO ignores it if it is there: measured with OpenVINO 2026.4 on a ResNet-56,
    the integers are those of the graph without it, so a graph with it would not say what is computed.
    """
    fused = {value.name for value in fused_operands(placement.nodes).values()}
    return replace(placement, rounded=placement.rounded - fused)


def _makes_logits(graph: ir.Graph, candidate: Candidate, crossing: Collection[str]) -> bool:
    """Whether a convolution's result becomes the logits of an exit by moving elements only, or resizing a map."""
    if candidate.node.op_type != "Conv":
        return False
    waiting = [candidate.output]
    while waiting:
        value = waiting.pop()
        if value in graph.outputs and value.name not in crossing and value.shape is not None and len(value.shape) == 2:
            return True
        if value is graph.outputs[0] and value.name not in crossing and value.shape and len(value.shape) == MAP_RANK:
            return True
        waiting.extend(node.outputs[0] for node in value.consumers() if node.op_type in MOVING | RESIZING)
    return False
