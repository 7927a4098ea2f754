"""Walk an autograd graph back to the values that others were made from."""

from collections.abc import Mapping
from typing import TypeVar

from torch.autograd.graph import Node

__all__ = ["walk_back"]

Known = TypeVar("Known")


def walk_back(start: Node | None, known: Mapping[Node, Known]) -> list[Known]:
    """Return what is known of the nearest nodes behind `start`; the walk ends at each of them.

    Args:
        start: where the walk begins; None: nothing is found.
        known: by node.
    """
    waiting, seen, found = [start], set[Node](), []
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node in known:
            found.append(known[node])
        else:
            waiting += [before for before, _ in node.next_functions]
    return found
