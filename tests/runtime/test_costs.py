"""Covers: the cheapest buckets for any number of rows."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eengines.errors import BundleError
from eerun.costs import CostTable, cheapest_covers


def table(**changes) -> CostTable:
    fields = {
        "engine": "onnxruntime",
        "precision": "float32",
        "device": "test",
        "buckets": (1, 4),
        "segment_ms": ((1.0, 2.0), (1.0, 1.5)),
        "whole_ms": (1.0, 3.0),
        "move_ms": (0.1,),
    }
    return CostTable(**{**fields, **changes})


@given(
    buckets=st.sets(st.integers(1, 8), min_size=1, max_size=4).map(sorted),
    data=st.data(),
)
def test_covers_are_cheapest_contiguous_and_large_enough(buckets, data):
    times = [data.draw(st.floats(0.1, 10)) for _ in buckets]
    covers = cheapest_covers(buckets, times)

    assert len(covers) == buckets[-1] + 1
    for rows, cover in enumerate(covers):
        offsets = [piece.offset for piece in cover.pieces]
        sizes = [piece.bucket for piece in cover.pieces]
        assert offsets == [sum(sizes[:i]) for i in range(len(sizes))]
        assert cover.rows >= rows
        counts = product(*(range(rows // b + 2) for b in buckets))
        best = min(
            sum(n * t for n, t in zip(count, times, strict=True))
            for count in counts
            if sum(n * b for n, b in zip(count, buckets, strict=True)) >= rows
        )
        assert cover.run_ms == pytest.approx(best)


def test_two_small_runs_instead_of_a_large_one():
    covers = cheapest_covers((4, 8, 16), (1.0, 2.0, 5.0))
    assert [p.bucket for p in covers[12].pieces] == [8, 4]
    assert [p.bucket for p in covers[16].pieces] == [8, 8]
    assert covers[0].pieces == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"buckets": ()},
        {"buckets": (4, 1)},
        {"segment_ms": ((1.0,), (1.0,))},
        {"move_ms": ()},
        {"whole_ms": (1.0, float("nan"))},
        {"whole_ms": (1.0, -1.0)},
    ],
)
def test_tables_that_do_not_fit_are_refused(changes):
    with pytest.raises(BundleError, match="cost table"):
        table(**changes)


def test_whole_network_as_a_chain_of_one():
    whole = table().of_whole()
    assert whole.segments == 1
    assert whole.run_ms(0, 4) == 3.0
