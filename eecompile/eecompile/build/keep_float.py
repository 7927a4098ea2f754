"""Which nodes the names of `--keep-float` stand for.

An exit's name stands for its head: of an early exit all nodes that nothing but the exit needs. The last exit has no
such border, because everything behind the last boundary serves it alone, and keeping all of that in float would undo
INT8 for the deepest segment. Its head is its answer layer instead: see `answer_nodes`. Nodes of a score are never
listed: no pass ever quantises them.
"""

from collections.abc import Sequence

import onnx_ir as ir

from eecompile.inspect.weighted import precision_of
from eecompile.precision.int8.candidates import is_score_node
from eecompile.split import Segment, Split
from eengines.errors import UserError

__all__ = ["answer_nodes", "head_nodes", "named_nodes"]

POOLING = frozenset({"AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool", "ReduceMax", "ReduceMean"})
ARRANGING = frozenset({"Cast", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
"""What usually stands between the last feature map and the layer that makes the logits; it belongs to the head."""


def named_nodes(split: Split, exits: Sequence[str], names: Sequence[str]) -> frozenset[str]:
    """Return node names: a name is a node's, or an exit's and stands for all nodes of its head.

    Args:
        split: the network in segments.
        exits: names of the exits, shallow to deep; one for each segment.
        names: what the user gave.

    Raises:
        UserError: no node and no exit has the name.
    """
    nodes = {node.name or "" for segment in split.segments for node in segment.model.graph}
    found = set[str]()
    for name in names:
        if name in exits:
            segment = split.segments[exits.index(name)]
            found |= answer_nodes(segment) if name == exits[-1] else head_nodes(segment, split.crossing)
        elif name in nodes:
            found.add(name)
        else:
            raise UserError(
                "--keep-float",
                f"got {name!r}, which is neither a node nor one of the exits {', '.join(exits)}",
                "Take names from `eecompile inspect SEGMENT.onnx`, or name an exit for its whole head",
            )
    return frozenset(found)


def head_nodes(segment: Segment, crossing: frozenset[str]) -> frozenset[str]:
    """Return the nodes of a segment that only its own exit needs: nothing that crosses is made from them.

    Of the last segment these are all nodes; `answer_nodes` is narrower.
    """
    graph: ir.Graph = segment.model.graph
    trunk = set[ir.Node]()
    waiting = [value.producer() for value in graph.outputs if value.name in crossing]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in trunk:
            trunk.add(node)
            waiting.extend(value.producer() for value in node.inputs if value is not None)
    return frozenset(node.name or "" for node in graph if node not in trunk and not is_score_node(node))


def answer_nodes(segment: Segment) -> frozenset[str]:
    """Return the nodes that turn the last features of a segment into its logits.

    These are the last node with weights on each way to the logits (Gemm, MatMul, Conv ...), all that follows it there
    (bias, activation, pooling), and the pooling and reshaping directly in front of it, if nothing else reads them. A
    network that ends in Conv → pooling → logits keeps that Conv; one that ends in Conv → Relu → pooling → Gemm keeps
    pooling and Gemm, not the Conv.
    """
    found = set[ir.Node]()
    waiting = [value.producer() for value in segment.model.graph.outputs if value.name == segment.logits]
    while waiting:
        node = waiting.pop()
        if node is None or node in found:
            continue
        found.add(node)
        if precision_of(node) is None:
            waiting.extend(value.producer() for value in node.inputs if value is not None)
        else:
            found |= _in_front(node)
    return frozenset(node.name or "" for node in found if not is_score_node(node))


def _in_front(node: ir.Node) -> set[ir.Node]:
    """The chain of pooling and reshaping that feeds a node and nothing else."""
    chain = set[ir.Node]()
    while True:
        made = [value.producer() for value in node.inputs if value is not None and value.const_value is None]
        if len(made) != 1 or made[0] is None or made[0].op_type not in POOLING | ARRANGING:
            return chain
        if any(value.is_graph_output() or len(value.uses()) > 1 for value in made[0].outputs):
            return chain
        node = made[0]
        chain.add(node)
