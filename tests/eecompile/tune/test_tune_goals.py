"""What the user asks for: a budget in milliseconds or in multiply-accumulates, and a limit for slow batches."""

from dataclasses import replace

import pytest

from eecompile.tune import TuneSettings
from eengines.errors import BuildError, UserError
from eerun.bundle import amend_bundle

NAMES = ("max-probability", "margin", "patience")


@pytest.fixture
def tried(tunable, trace, stages):
    """Tune on the recording, and write nothing."""
    return lambda *names, **changes: tunable.tune(stages, *names, trace=trace, dry_run=True, **changes)


def test_a_budget_in_milliseconds_is_kept_by_the_most_accurate(tried):
    report = tried(*NAMES, budget_ms=1.4)
    assert report.goal == "at most 1.4 ms a batch"
    best = report.policies[0]
    assert best.tune.batch_ms <= 1.4
    assert best.asked_drop is None
    assert best.tune.accuracy == max(each.tune.accuracy for each in report.policies if each.tune.batch_ms <= 1.4)
    tighter = tried(*NAMES, budget_ms=1.1)
    assert tighter.policies[0].tune.batch_ms <= 1.1
    assert tighter.policies[0].tune.accuracy < best.tune.accuracy


def test_a_budget_in_multiply_accumulates_is_kept(tried, tunable):
    total = sum(segment.macs for segment in tunable.bundle.manifest.segments) / 1e6
    report = tried(*NAMES, budget_macs=0.6 * total)
    assert "million multiply-accumulates a sample" in report.goal
    assert 0 < report.policies[0].tune.macs <= 0.6 * total
    assert report.policies[0].test.macs == pytest.approx(report.policies[0].tune.macs, rel=0.1)


def test_a_budget_that_nothing_keeps_is_refused(tried):
    with pytest.raises(UserError, match=r"--budget-ms: got 0\.01 .*the cheapest that was found takes"):
        tried("margin", budget_ms=0.01)


def test_what_the_slowest_batches_take_can_be_limited(tried):
    report = tried("margin", "patience", batch=4)
    p99 = sorted((each.tune.batch_p99_ms, each.name) for each in report.policies)
    between = (p99[0][0] + p99[1][0]) / 2
    limited = tried("margin", "patience", batch=4, max_tail=between / report.whole_ms - 1)
    refused = {each.name: each.refused for each in limited.policies}
    assert limited.chosen == p99[0][1]
    assert refused[p99[0][1]] is None
    assert f"one batch in a hundred takes {p99[1][0]:.2f} ms, allowed are {between:.2f}" == refused[p99[1][1]]


def test_where_every_policy_is_too_slow_none_is_chosen(tried):
    with pytest.raises(BuildError, match=r"margin: one batch in a hundred takes .*Allow more"):
        tried("margin", max_tail=0.0, max_drop=0.003)


def test_a_batch_that_was_not_measured_is_refused(tried):
    with pytest.raises(UserError, match="--batch: got 17, the bundle was measured up to 16"):
        tried("margin", batch=17)


@pytest.mark.parametrize(("whole_ms", "pays"), [(9.0, True), (0.5, False)])
def test_where_exits_do_not_pay_it_says_so(copied, trace, stages, whole_ms, pays):
    bundle = copied.bundle
    costs = {
        entry.costs: replace(bundle.costs(entry), whole_ms=(whole_ms / 9, whole_ms))
        for entry in bundle.manifest.configurations
    }
    amend_bundle(copied.path, lambda manifest: manifest.configurations, costs)
    report = copied.tune(stages, "max-probability", trace=trace, dry_run=True)
    assert any("exits do not pay here" in line for line in report.warnings) != pays
    assert report.whole_ms == whole_ms


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_drop": 1.5}, "--max-drop: got 1.5"),
        ({"budget_ms": 0.0}, "--budget-ms: got 0"),
        ({"budget_macs": -1.0}, "--budget-macs: got -1"),
        ({"budget_ms": 1.0, "budget_macs": 1.0}, "--budget-ms --budget-macs: got both"),
        ({"batch": 0}, "--batch: got 0"),
        ({"max_tail": -0.1}, "--max-tail: got -0.1"),
        ({"split_heads": True, "select_exits": True}, "--split-heads: got it together with --select-exits"),
        ({"split_heads": True, "budget_macs": 1.0}, "--split-heads: got it together with --budget-macs"),
        ({"certify": 0.0}, "--certify: got 0"),
        ({"confidence": 1.0}, "--confidence: got 1"),
        ({"seed": -1}, "--seed: got -1"),
        ({"measure_seconds": -1.0}, "--measure-seconds: got -1"),
    ],
)
def test_settings_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        TuneSettings(**changes)
