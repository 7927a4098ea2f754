"""Which nodes the names of `--keep-float` stand for."""

from collections.abc import Sequence

import onnx_ir as ir

from eecompile.split import Segment, Split
from eengines.errors import UserError

__all__ = ["head_nodes", "named_nodes"]


def named_nodes(split: Split, exits: Sequence[str], names: Sequence[str]) -> frozenset[str]:
    """Return node names: a name is a node's, or an exit's and stands for all nodes of its head.

    Raises:
        UserError: no node and no exit has the name.
    """
    nodes = {node.name or "" for segment in split.segments for node in segment.model.graph}
    found = set[str]()
    for name in names:
        if name in exits:
            found |= head_nodes(split.segments[exits.index(name)], split.crossing)
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
    """Return the nodes of a segment that only its own exit needs: nothing that crosses is made from them."""
    graph: ir.Graph = segment.model.graph
    trunk = set[ir.Node]()
    waiting = [value.producer() for value in graph.outputs if value.name in crossing]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in trunk:
            trunk.add(node)
            waiting.extend(value.producer() for value in node.inputs if value is not None)
    return frozenset(node.name or "" for node in graph if node not in trunk)
