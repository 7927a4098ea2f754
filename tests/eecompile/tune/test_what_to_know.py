"""A user is told where exits save nothing, and where samples held out say that more is lost than was allowed."""

from dataclasses import replace

import pytest
from silent_stages import SilentStages

from eecalib.tuning.goal import Goal
from eecalib.tuning.tuners import TUNERS
from eecompile.tune import TuneSettings
from eecompile.tune.report import RunReport
from eecompile.tune.try_policies import Bench, try_policies
from eecompile.tune.variant import Shape
from eecompile.tune.what_to_know import what_to_know

WHOLE = 3.0
"""How much longer the whole network takes than it did, so that exits could pay."""


@pytest.fixture
def told(tunable, recordings):
    """What was found for an allowed drop in agreement, where no more answers can be right, and what is told of it."""

    def look(max_drop, *, slower=WHOLE):
        bundle, recording = tunable.bundle, recordings["onnxruntime-float32"]
        (entry,) = (each for each in bundle.manifest.configurations if each.name == recording.configuration)
        costs = bundle.costs(entry)
        bench = Bench(
            recording=replace(
                recording, splits={name: each.against(agreement=True) for name, each in recording.splits.items()}
            ),
            shape=Shape(kept=(0, 1)),
            costs=costs,
            macs=None,
            names=bundle.manifest.exits,
            batch=16,
            whole=replace(costs, whole_ms=tuple(slower * ms for ms in costs.whole_ms)).of_whole(),
            seed=0,
        )
        goal, margin = Goal(max_drop=max_drop, budget=None), {"margin": TUNERS["margin"]}
        (tried,) = try_policies(bench, margin, goal, SilentStages(), in_macs=False, max_tail=None)
        report = tried.report
        runs = RunReport(configuration=entry.name, thresholds=report.thresholds, tune=report.tune, test=report.test)
        settings = TuneSettings(agreement=True, max_drop=max_drop)
        return report, [line for line in what_to_know(runs, tried, settings) if not line.startswith("on test")]

    return look


def test_a_drop_that_is_kept_within_a_standard_error_is_taken_with_a_word(told):
    report, lines = told(0.005)
    assert report.asked_drop == 0
    assert 0.005 < report.held_out_drop < 0.01
    assert any(threshold is not None for threshold in report.thresholds)
    (line,) = lines
    assert line.startswith(
        "no thresholds were found that keep a drop of 0.50% on new samples: these lose about 0.75%, "
    )
    assert "as parts of the 400 samples of tune tell that were held out" in line


def test_a_drop_that_is_not_kept_closes_all_exits_and_says_why(told):
    report, lines = told(0.0001)
    assert set(report.thresholds) == {None}
    (line,) = lines
    assert line.startswith("no early exit is used: thresholds that save time lose more than 0.01% on new samples")


def test_exits_that_do_not_pay_are_told(told):
    report, lines = told(0.0001, slower=0.1)
    assert set(report.thresholds) == {None}
    (line,) = lines
    assert line.startswith("exits do not pay here: expected 3")


def test_nothing_is_told_where_all_is_well(told):
    report, lines = told(0.1)
    assert report.held_out_drop <= 0.1
    assert lines == []
