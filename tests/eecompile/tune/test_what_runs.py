"""The configuration that comes first does best for the goal, and a promise does not override it."""

from dataclasses import replace

import pytest

from eecalib.tuning.goal import Goal
from eecompile.tune.try_policies import refused


@pytest.fixture
def tried(tunable, trace, stages):
    """Tune on the recording, and write nothing."""
    return lambda *names, **changes: tunable.tune(stages, *names, trace=trace, dry_run=True, **changes)


@pytest.mark.parametrize("budget_ms", [1.4, 1.1])
def test_for_a_budget_the_most_accurate_configuration_runs(tried, budget_ms):
    report = tried("margin", budget_ms=budget_ms)
    assert report.runs.tune.batch_ms <= budget_ms
    assert report.runs.tune.accuracy >= report.policies[0].tune.accuracy - 1e-9


@pytest.mark.parametrize("max_drop", [0.01, 0.03])
def test_a_promise_is_not_faster_than_the_drop_that_was_asked_for(tried, max_drop):
    loose = {"certify": 0.2, "confidence": 0.9, "engine": "onnxruntime", "precision": "int8"}
    report = tried("margin", max_drop=max_drop, **loose)
    assert report.certificate.bound <= 0.2
    assert report.runs.tune.drop <= max_drop
    assert report.runs.tune.batch_ms >= report.policies[0].tune.batch_ms - 1e-9


def test_a_promise_keeps_the_budget(tried):
    report = tried("margin", budget_ms=1.4, certify=0.2, confidence=0.9, engine="onnxruntime", precision="int8")
    assert report.runs.tune.batch_ms <= 1.4


@pytest.mark.parametrize(("drop", "max_drop", "why"), [(0.003, 0.001, "0.30% is lost on tune"), (0.01, 0.01, None)])
def test_what_loses_more_than_allowed_cannot_be_chosen(tried, drop, max_drop, why):
    report = tried("margin")
    outcome = replace(report.policies[0].tune, drop=drop)
    found = refused(outcome, Goal(max_drop=max_drop, budget=None), None)
    assert found is None if why is None else why in found
