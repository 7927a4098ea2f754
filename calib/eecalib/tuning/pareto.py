"""Which of many operating points are beaten by no other."""

from collections.abc import Sequence
from math import inf

__all__ = ["pareto_front"]


def pareto_front(points: Sequence[tuple[float, float]]) -> tuple[int, ...]:
    """Return the indices of the points that no other beats, from cheap to dear.

    Args:
        points: cost of each, and its right answers, as a number or as a share. Of equal points the first stays.
    """
    order = sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1], index))
    front: list[int] = []
    most = -inf
    for index in order:
        if points[index][1] > most:
            front.append(index)
            most = points[index][1]
    return tuple(front)
