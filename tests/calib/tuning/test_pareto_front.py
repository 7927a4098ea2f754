"""The points that no other beats, against all pairs."""

from hypothesis import given
from hypothesis import strategies as st

from eecalib.tuning.pareto import pareto_front


def beats(one, other):
    """At most as dear, at least as many right, and not the same."""
    return one[0] <= other[0] and one[1] >= other[1] and one != other


@given(st.lists(st.tuples(st.integers(0, 6).map(float), st.integers(0, 6)), max_size=12))
def test_all_that_are_not_beaten_and_no_other(points):
    front = pareto_front(points)
    unbeaten = [index for index, point in enumerate(points) if not any(beats(other, point) for other in points)]
    first = [index for index in unbeaten if points.index(points[index]) == index]
    assert sorted(front) == first
    assert list(front) == sorted(first, key=lambda index: points[index][0])
