"""The drifting stream: phases that share no sample, requests, what a refresh wins; and its picture."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.drift_answers import NEVER, REFRESHED, WHOLE, answer_half, means, summary, won_back
from benchmarks.drift_stream import make_phases, requests

LABELS = np.repeat(np.arange(10), 12)


@settings(max_examples=25, deadline=None)
@given(together=st.integers(1, 10), seed=st.integers(0, 99))
def test_no_sample_is_in_two_halves(together, seed):
    phases = make_phases(LABELS, together=together, seed=seed)
    assert len(phases) == 10 // together
    rows = np.concatenate([half for phase in phases for half in (phase.before, phase.after)])
    assert len(np.unique(rows)) == len(rows) == 12 * together * len(phases)
    for phase in phases:
        assert len(set(phase.classes)) == together
        assert set(LABELS[np.concatenate([phase.before, phase.after])]) == set(phase.classes)
        assert abs(len(phase.before) - len(phase.after)) <= 1


def test_requests_repeat_all_rows_before_any_comes_a_third_time():
    rows = np.array([3, 5, 8, 9, 11])
    batches = list(requests(rows, count=12, batch=4, seed=0))
    assert [len(batch) for batch in batches] == [4, 4, 4]
    asked = np.concatenate(batches)
    assert sorted(asked[:5]) == sorted(asked[5:10]) == list(rows)
    assert np.array_equal(asked, np.concatenate(list(requests(rows, count=12, batch=4, seed=0))))


def answered() -> list[dict[str, object]]:
    images = np.arange(8)
    contestants = {
        NEVER: lambda given: np.where(given == 3, 9, given),
        REFRESHED: lambda given: given,
        WHOLE: lambda given: given,
    }
    labels = np.array([0, 1, 2, 3, 4, 5, 6, 0])
    batches = [np.array([0, 1]), np.array([2, 3]), np.array([4, 5]), np.array([6, 7])] * 2
    return answer_half(contestants, images, labels, batches, seed=0)


def test_every_contestant_answers_every_request():
    windows = answered()
    assert [window["requests"] for window in windows] == [10, 6]
    mean = means(windows)
    assert mean[REFRESHED]["agreement"] == mean[WHOLE]["agreement"] == 1.0
    assert mean[NEVER]["agreement"] == pytest.approx(14 / 16)
    assert mean[WHOLE]["accuracy"] == pytest.approx(14 / 16)
    assert mean[NEVER]["accuracy"] == pytest.approx(12 / 16)
    assert all(way["batch_ms"] > 0 for way in mean.values())


def half(part: str, never: float, refreshed: float, whole: float, cost: dict[str, float] | None) -> dict[str, object]:
    ways = {
        name: {"batch_ms": ms, "cpu_ms": 2 * ms, "agreement": 1.0, "accuracy": 0.9}
        for name, ms in ((NEVER, never), (REFRESHED, refreshed), (WHOLE, whole))
    }
    windows = [{"requests": 160, "ways": ways}, {"requests": 160, "ways": ways}]
    return {"phase": 0, "part": part, "refresh": cost, "windows": windows, "mean": means(windows)}


def test_what_a_refresh_costs_and_brings():
    cost = {"seconds": 3.0, "cpu_seconds": 6.0}
    (row,) = summary([half("before", 32.0, 32.0, 64.0, None), half("after", 32.0, 16.0, 64.0, cost)])
    assert row["speedup_over_whole"] == 4.0
    assert row["speedup_over_never"] == 2.0
    assert row["requests_asked"] == 320
    assert row["share_of_time"] == pytest.approx(3.0 / 3.16)
    assert row["share_of_cpu"] == pytest.approx(6.0 / 6.32)
    assert row["requests_to_win_back_over_never"] == 6000
    assert row["requests_to_win_back_over_whole"] == 2000


def test_a_refresh_that_saves_nothing_is_never_won_back():
    assert won_back(1.0, 0.0) is None
    assert won_back(1.0, -0.5) is None
    assert won_back(1.0, 0.3) == 3334


def test_the_picture(tmp_path):
    pytest.importorskip("matplotlib", reason="the extra report is not installed")
    from benchmarks.draw_drift import draw

    cost = {"seconds": 3.0, "cpu_seconds": 6.0}
    halves = [half("before", 32.0, 32.0, 64.0, None), half("after", 32.0, 16.0, 64.0, cost)]
    record = {"halves": halves, "sizes": {"classes": 3}, "network": "n", "batch": 32}
    record["environment"] = {"processor": "p", "cores": 2}
    draw(json.loads(json.dumps(record)), tmp_path / "made" / "drift.svg")
    text = (tmp_path / "made" / "drift.svg").read_text()
    assert "NO RESULT" not in text
    assert text.startswith("<?xml")
