"""Which exits pay: merged costs, and a search that leaves out exits that cost more than they save."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import exit_selection
from benchmarks.exit_selection import costs_of, select_exits, table_of
from eecalib.exit_table import ExitTable
from eerun.costs import CostTable

SAMPLES = 400


def costs(*segments: float, whole: float) -> CostTable:
    """One bucket of one sample, and one of four that costs four times as much."""
    return CostTable(
        engine="onnxruntime",
        precision="float32",
        device="test",
        buckets=(1, 4),
        segment_ms=tuple((ms, 4 * ms) for ms in segments),
        whole_ms=(whole, 4 * whole),
        move_ms=tuple(0.001 * (index + 1) for index in range(len(segments) - 1)),
    )


@pytest.fixture
def table() -> ExitTable:
    """The first exit is sure and right on half of the samples, the second on none more, the third on three quarters."""
    easy = np.arange(SAMPLES)[:, None] < np.array([SAMPLES // 2, SAMPLES // 2, 3 * SAMPLES // 4, SAMPLES])
    return ExitTable(
        scores=np.where(easy, 0.9, 0.1).astype(np.float32),
        answers=np.where(easy, 0, 1).astype(np.int64),
        labels=np.zeros(SAMPLES, np.int64),
    )


def test_costs_without_exits_are_those_of_the_whole_network():
    found = costs_of(costs(2.0, 2.0, 2.0, 2.0, whole=6.5), ())
    assert found.segment_ms == ((6.5, 26.0),)
    assert found.move_ms == ()


def test_merged_segments_cost_their_sum_less_one_exit():
    found = costs_of(costs(2.0, 2.0, 2.0, 2.0, whole=6.5), (1,))
    assert found.segment_ms == ((3.5, 14.0), (3.5, 14.0))
    assert found.move_ms == (0.002,)
    assert costs_of(costs(2.0, 2.0, 2.0, 2.0, whole=6.5), (0, 1, 2)) == costs(2.0, 2.0, 2.0, 2.0, whole=6.5)


def test_a_table_keeps_the_final_exit(table):
    few = table_of(table, (2,))
    assert np.array_equal(few.scores, table.scores[:, [2, 3]])
    assert np.array_equal(few.answers, table.answers[:, [2, 3]])


@pytest.mark.parametrize("most", [128, 1])
def test_an_exit_where_nobody_leaves_is_dropped(table, most, monkeypatch):
    monkeypatch.setattr(exit_selection, "MOST_SUBSETS", most)
    shares: list[float] = []
    found = select_exits(table, costs(2.0, 2.0, 2.0, 2.0, whole=6.5), max_drop=0.0, progress=shares.append)
    assert found.kept == (0, 2)
    assert found.expected_ms < found.expected_ms_all < 26.0
    assert shares == sorted(shares)


def test_exits_that_cost_more_than_they_save_are_all_dropped(table):
    found = select_exits(table, costs(9.0, 9.0, 9.0, 9.0, whole=10.0), max_drop=0.0, progress=lambda _share: None)
    assert found.kept == ()
    assert found.expected_ms == 40.0
