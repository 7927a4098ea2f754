"""`eecompile tune`: every policy is tried, the best one runs, and it answers as its numpy reference says."""

import sys
from dataclasses import replace

import numpy as np
import pytest

import eerun
from eecalib.tuning.tuners import TUNERS
from eecompile.build.report import BuildReport
from eecompile.tune import TuneReport
from eecompile.tune.write_tune import write_tune
from eengines.errors import BundleError, UserError
from eerun.bundle import REFRESH_NAME, TUNE_NAME, amend_bundle
from eerun.policies import PatiencePolicy

FITTED = ("gati", "accuracy-bins", "geometric-ensemble")


def answers_of(copied, entry):
    """Labels and exits of the *test* samples in one configuration."""
    model = eerun.load(copied.path, engine=entry.engine, precision=entry.precision, threads=2)
    return model.infer(copied.arrays["x_test"])


def check_answers(copied, recordings):
    """Every configuration answers what its policy says of what it said before."""
    for entry in copied.bundle.manifest.configurations:
        expected = copied.replayed(recordings[entry.name], entry, "test")
        result, sure = answers_of(copied, entry), ~expected["near"]
        assert sure.mean() > 0.9
        assert np.array_equal(result.exit_index[sure], expected["exit_index"][sure]), entry.name
        assert np.array_equal(result.labels[sure], expected["labels"][sure]), entry.name


def test_every_policy_is_tried_and_a_dry_run_writes_nothing(copied, trace, stages):
    before = copied.content()
    report = copied.tune(stages, "all", trace=trace, dry_run=True)
    assert copied.content() == before
    assert not report.written
    assert {each.name for each in report.policies} == set(TUNERS)
    assert stages.warnings == []
    for each in report.policies:
        assert each.heads_apart == each.name.startswith("predictive-exit")
        assert each.exits == ("early", "middle", "final")
        assert sum(each.tune.shares) == pytest.approx(sum(each.test.shares)) == pytest.approx(1)
        assert each.tune.drop <= 0.02
        assert each.tune.batch_p99_ms >= each.tune.batch_ms > each.tune.single_ms > 0
        assert (each.tune.macs is None) == each.heads_apart
    fast = [each.tune.batch_ms for each in report.policies[1:]]
    assert fast == sorted(fast)
    assert report.policies[0].tune.batch_ms <= 1.02 * fast[0]
    assert [each.score for each in report.ranks] == ["max-probability", "margin", "entropy"]
    assert all(0.5 < value <= 1 for each in report.ranks for value in each.auroc)


@pytest.mark.parametrize("name", ["pame", *FITTED])
def test_the_bundle_answers_as_the_policy_says(copied, trace, recordings, stages, name):
    before = copied.bundle
    report = copied.tune(stages, name, trace=trace)
    after = copied.bundle
    after.verify_files()
    assert report.written
    assert after.read_json(TUNE_NAME, TuneReport) == report
    assert report.chosen == name
    policies = [after.policy(entry) for entry in after.manifest.configurations]
    assert {policy.policy for policy in policies} == {name if name in FITTED else "max-probability"}
    assert any(policy.thresholds != (None, None) for policy in policies)
    assert bool(policies[0].parameters) == (name in FITTED)
    if name in FITTED:
        assert policies[0].parameters != policies[1].parameters, "each configuration has parameters of its own"
    assert policies[0].thresholds == report.runs.thresholds
    assert after.manifest.chosen.name == report.runs.configuration
    for entry in after.manifest.configurations:
        old = next(each for each in before.manifest.configurations if each.name == entry.name)
        assert after.read(entry.whole) == before.read(old.whole)
        assert after.costs(entry) == before.costs(old)
    check_answers(copied, recordings)


def test_a_policy_that_answers_with_its_state_is_not_recorded_as_logits(copied, trace, recordings, stages, tmp_path):
    copied.tune(stages, "geometric-ensemble", trace=trace)
    again = copied.record(stages, tmp_path / "again", engine="onnxruntime", precision="int8")
    before = recordings["onnxruntime-int8"].splits["test"].trace
    assert np.allclose(again.splits["test"].trace.logits, before.logits, atol=1e-4)


def test_reports_and_pictures_are_those_of_what_runs_now(copied, trace, stages):
    amend_bundle(copied.path, lambda manifest: manifest.configurations, {REFRESH_NAME: {"old": True}})
    report = copied.tune(stages, "margin", trace=trace)
    bundle = copied.bundle
    assert REFRESH_NAME not in bundle.manifest.files
    assert bundle.read("report/pareto.png").startswith(b"\x89PNG")
    assert b"<svg" in bundle.read("report/pareto.svg")[:600]
    summary = bundle.read_json(bundle.manifest.report, BuildReport)
    assert summary.policy == "margin"
    assert tuple(segment.threshold for segment in summary.segments) == (*report.runs.thresholds, None)
    assert summary.ranks == report.ranks
    assert [f"{trial.engine}-{trial.precision}" for trial in summary.trials if trial.kept] == [
        entry.name for entry in bundle.manifest.configurations
    ]
    result = answers_of(copied, bundle.manifest.chosen)
    shares = np.bincount(result.exit_index, minlength=3) / len(result.exit_index)
    assert np.allclose(summary.test.shares, shares, atol=0.01)
    assert summary.test.accuracy == pytest.approx((result.labels == copied.arrays["y_test"]).mean(), abs=0.01)


def test_one_that_the_user_names_comes_first(copied, stages):
    report = copied.tune(stages, "margin", engine="onnxruntime", precision="float32")
    assert report.configuration == report.runs.configuration == "onnxruntime-float32"
    assert copied.bundle.manifest.chosen.name == "onnxruntime-float32"
    faster = copied.tune(stages, "max-probability")
    assert faster.runs.configuration == copied.bundle.manifest.chosen.name == "onnxruntime-int8"


def test_without_labels_the_answers_of_float32_are_right(unlabelled, stages, tmp_path):
    copied = unlabelled.copy(tmp_path / "copied")
    recording = copied.record(stages, tmp_path / "trace")
    report = copied.tune(stages, "margin", "eenet", trace=tmp_path / "trace")
    for each in report.policies:
        assert each.tune.drop == pytest.approx(1 - each.tune.agreement)
        assert each.tune.accuracy == each.tune.agreement
        assert each.tune.drop <= 0.02
    check_answers(copied, {"onnxruntime-float32": recording})


def test_agreement_may_be_asked_for_where_there_are_labels(tunable, trace, stages):
    report = tunable.tune(stages, "margin", trace=trace, agreement=True, dry_run=True)
    assert report.policies[0].tune.drop == pytest.approx(1 - report.policies[0].tune.agreement)
    assert report.policies[0].tune.drop <= 0.02


def test_a_policy_that_does_not_exist_is_refused(tunable, trace, stages):
    with pytest.raises(UserError, match="got 'pixel-count', which is no policy for a network with one answer a sample"):
        tunable.tune(stages, "pixel-count", trace=trace)


def test_a_bundle_that_was_changed_meanwhile_is_not_replaced(copied, trace, stages, monkeypatch):
    def changed_first(bundle, *others):
        amend_bundle(copied.path, lambda manifest: manifest.configurations[::-1], {})
        write_tune(bundle, *others)

    monkeypatch.setattr(sys.modules["eecompile.tune.tune"], "write_tune", changed_first)
    with pytest.raises(BundleError, match="it was changed while it was tuned"):
        copied.tune(stages, "margin", trace=trace)
    assert TUNE_NAME not in copied.bundle.manifest.files


def test_a_bundle_of_another_policy_can_be_tuned_again(copied, trace, recordings, stages):
    copied.tune(stages, "geometric-ensemble", trace=trace)
    report = copied.tune(stages, "patience")
    entry = copied.bundle.manifest.chosen
    assert copied.bundle.policy(entry).make() == PatiencePolicy()
    assert report.policies[0].tune.drop <= 0.02
    check_answers(copied, recordings)


def test_thresholds_are_searched_for_with_what_fitting_costs_in_mind(tunable, trace, stages):
    """The drop that is searched for is at most the allowed one; on *tune* the allowed one is not used up."""
    (one,) = tunable.tune(stages, "max-probability", trace=trace, dry_run=True).policies
    assert one.asked_drop <= 0.02
    assert one.tune.drop <= max(one.asked_drop, 0)
    assert replace(one, seconds=0) == replace(
        tunable.tune(stages, "max-probability", trace=trace, dry_run=True).policies[0], seconds=0
    )
