"""Which of many operating points are beaten by no other."""

from collections.abc import Sequence

__all__ = ["pareto_front"]


def pareto_front(points: Sequence[tuple[float, int]]) -> tuple[int, ...]:
    """Return the indices of the points that no other beats, from cheap to dear.

    Args:
        points: cost and number of right answers of each. Of equal points the first stays.
    """
    order = sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1], index))
    front: list[int] = []
    most = -1
    for index in order:
        if points[index][1] > most:
            front.append(index)
            most = points[index][1]
    return tuple(front)
