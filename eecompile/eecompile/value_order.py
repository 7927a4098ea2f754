"""Which segment makes each value of a network, in the order in which it makes them."""

from collections.abc import Container, Sequence

import onnx_ir as ir

__all__ = ["value_order"]


def value_order(graphs: Sequence[ir.Graph], names: Container[str]) -> dict[str, int]:
    """Return name → index of the segment that makes it, or reads it first if it is given.

    Args:
        graphs: the segments, first to last.
        names: which values to look for.
    """
    found: dict[str, int] = {}
    for index, graph in enumerate(graphs):
        for value in [*graph.inputs, *(v for node in graph for v in node.outputs)]:
            if value.name and value.name in names:
                found.setdefault(value.name, index)
    return found
