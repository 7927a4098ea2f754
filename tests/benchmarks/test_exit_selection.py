"""Which exits pay: what the search for the benchmark keeps, with few exits and with many."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import exit_selection
from benchmarks.exit_selection import select_exits
from benchmarks.many_exits import BUILT_POLICIES
from eecalib.trace import ExitTrace
from eerun.costs import CostTable
from eerun.policies import policy_by_name

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
        move_ms=(0.0,) * (len(segments) - 1),
    )


@pytest.fixture
def trace() -> ExitTrace:
    """The first exit is sure and right on half of the samples, the second on no more, the third on three quarters."""
    easy = np.arange(SAMPLES)[:, None] < np.array([SAMPLES // 2, SAMPLES // 2, 3 * SAMPLES // 4, SAMPLES])
    logits = np.stack([np.where(easy, 3.0, 0.0), np.where(easy, 0.0, 0.1)], axis=2)
    return ExitTrace(logits=logits.astype(np.float32), labels=np.zeros(SAMPLES, np.int64))


@pytest.mark.parametrize("most", [16, 2])
def test_an_exit_where_nobody_leaves_is_dropped(trace, most, monkeypatch):
    monkeypatch.setattr(exit_selection, "MOST_EXITS", most)
    shares: list[float] = []
    found = select_exits(trace, costs(2.0, 2.0, 2.0, 2.0, whole=6.5), max_drop=0.0, progress=shares.append)
    assert found.kept == (0, 2)
    assert found.expected_ms <= found.expected_ms_all < 26.0
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.parametrize("most", [16, 2])
def test_exits_that_cost_more_than_they_save_are_all_dropped(trace, most, monkeypatch):
    monkeypatch.setattr(exit_selection, "MOST_EXITS", most)
    found = select_exits(trace, costs(9.0, 9.0, 9.0, 9.0, whole=10.0), max_drop=0.0, progress=lambda _share: None)
    assert found.kept == ()
    assert found.expected_ms == 40.0


def test_policies_of_the_benchmark_can_be_built() -> None:
    assert BUILT_POLICIES == ["max-probability", "margin", "entropy", "patience"]
    assert all(policy_by_name(name).for_rows for name in BUILT_POLICIES)
