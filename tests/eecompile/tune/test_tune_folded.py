"""Tuning a bundle of a folded network: images are answered, groups cost time, and the report says what that brings."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from folded_checkpoints import write_folded
from silent_stages import SilentStages
from tunable_bundles import TunableBundle

import eerun
from eecalib.fit import easiness as easiness_fit
from eecalib.fit import fit_easiness
from eecalib.record import record_exits
from eecalib.replay import leave_at, replay
from eecalib.trace import open_recording, play
from eecompile.build import BuildReport, BuildSettings, build
from eecompile.cli.tune_summary import tune_summary
from eecompile.tune import TuneReport, TuneSettings, look_at_groups
from eecompile.tune.load_splits import load_splits, load_whole_groups
from eecompile.tune.tune import _tuners
from eengines.errors import BuildError, UserError
from eerun.bundle import EASINESS_NAME, TUNE_NAME, amend_bundle
from eerun.choose_configuration import choose_configuration
from eerun.costs import CostTable
from eerun.folding import Easiness, GroupExit

FOLD, SAMPLES = 2, 1003
"""Images a group; not all splits are whole groups."""

LOOSE = {"agreement": True, "max_drop": 0.5}
"""The weights are not trained: exits agree little."""

MS = ((0.1, 0.16, 0.28, 0.5),) * 3
"""Of each segment at 1, 2, 4 and 8 groups."""


@pytest.fixture(scope="module")
def folded(tmp_path_factory) -> TunableBundle:
    """A bundle of a network folded by 2, whose times do not depend on the machine."""
    path = write_folded(tmp_path_factory.mktemp("folded"), FOLD, samples=SAMPLES)
    settings = BuildSettings(
        engine="onnxruntime", precision="float32", max_batch=16, threads=2, measure_seconds=0.0, agreement=True
    )
    build(path, settings, SilentStages())
    made = TunableBundle(path=path.with_suffix(".ee"))
    entry = made.bundle.manifest.chosen
    costs = replace(made.bundle.costs(entry), segment_ms=MS, whole_ms=(0.25, 0.4, 0.7, 1.3))
    amend_bundle(made.path, lambda _: (entry,), {entry.costs: costs})
    return made


@pytest.fixture(scope="module")
def tuned(folded, tmp_path_factory) -> tuple[TunableBundle, TuneReport]:
    """The same after tuning, and what was reported."""
    copy = folded.copy(tmp_path_factory.mktemp("tuned") / "copy")
    return copy, copy.tune(SilentStages(), "max-probability", "patience", fold_exit=GroupExit.FIRST, **LOOSE)


def costs_of(bundle: TunableBundle) -> CostTable:
    return bundle.bundle.costs(bundle.bundle.manifest.chosen)


def test_what_runs_is_what_is_reported(tuned):
    """By the answers of the bundle on *test*, and the expected time of groups."""
    copy, report = tuned
    cut = {name: split.samples - split.samples % FOLD for name, split in copy.bundle.manifest.splits.items()}
    assert report.samples == {name: cut[name] for name in ("tune", "certify", "test")}
    assert cut != {name: split.samples for name, split in copy.bundle.manifest.splits.items()}
    assert report.batch == 16
    policy = copy.bundle.policy(copy.bundle.manifest.chosen)
    assert policy.group_exit is GroupExit.FIRST
    assert policy.thresholds == report.runs.thresholds
    recording = copy.record(SilentStages(), copy.path.parent / "again")
    trace = replace(recording.splits["test"].trace, rule=GroupExit.FIRST)
    result = replay(play(policy.make(), trace).table, policy.thresholds)
    assert report.runs.test is not None
    assert report.runs.test.shares == pytest.approx(result.shares)
    assert sum(result.shares[:2]) > 0.05
    assert 0.2 < report.runs.test.agreement < 1
    full = costs_of(copy)
    assert report.runs.test.batch_ms < full.chain_ms(8)
    assert report.policies[0].whole_ms == full.whole_ms[3]


def test_groups_of_the_build_are_those_of_the_trace(folded, tmp_path):
    """Both deal images at random, in the same way: so what the build reports comes out again."""
    recording = folded.copy(tmp_path / "copy").record(SilentStages(), tmp_path / "trace")
    policy = folded.bundle.policy(folded.bundle.manifest.chosen)
    built = folded.bundle.read_json(folded.bundle.manifest.report, BuildReport)
    for name, reported in (("tune", built.tune), ("test", built.test)):
        trace = recording.splits[name].trace
        assert reported is not None
        assert reported.shares == pytest.approx(replay(play(policy.make(), trace).table, policy.thresholds).shares)
        in_order = load_splits(folded.bundle, None)[name].labels
        assert in_order is not None
        assert trace.labels is not None
        assert not np.array_equal(trace.labels, in_order[: len(trace.labels)])


def test_every_rule_is_reported_with_thresholds_of_its_own(tuned):
    copy, report = tuned
    assert report.fold is not None
    assert (report.fold.factor, report.fold.rule) == (FOLD, GroupExit.FIRST)
    rules = {each.rule: each for each in report.fold.rules}
    assert set(rules) == set(GroupExit)
    assert rules[GroupExit.FIRST].tune == report.runs.tune
    assert rules[GroupExit.FIRST].test == report.runs.test
    assert rules[GroupExit.FIRST].thresholds == report.runs.thresholds
    # a majority of two is both
    assert rules[GroupExit.MAJORITY].tune == rules[GroupExit.ALL].tune
    # all is what tuning for all finds
    alone = copy.tune(SilentStages(), report.chosen, fold_exit=GroupExit.ALL, dry_run=True, **LOOSE)
    assert rules[GroupExit.ALL].thresholds == alone.runs.thresholds != report.runs.thresholds
    assert rules[GroupExit.ALL].tune.batch_ms == pytest.approx(alone.runs.tune.batch_ms)
    assert rules[GroupExit.ALL].tune.drop <= LOOSE["max_drop"]


def test_what_answers_owe_to_partners_is_reported(tuned):
    copy, report = tuned
    assert report.fold is not None
    assert report.fold.partners is not None
    assert (report.fold.partners.deals, report.fold.partners.images) == (3, report.samples["test"])
    samples = load_whole_groups(copy.bundle, None, SilentStages())["test"]
    executor = choose_configuration(copy.bundle, engine="onnxruntime").open_chain(threads=2)
    random, answers = np.random.default_rng(0), []
    for _ in range(3):
        order = random.permutation(len(samples))
        answers.append(record_exits(executor, samples.take(order), lambda _: None).answers[order.argsort(), -1])
    same = (answers[0] == answers[1]) & (answers[1] == answers[2])
    assert report.fold.partners.final_same == pytest.approx(same.mean())
    assert report.fold.partners.final_same <= report.fold.partners.final_pairwise


def test_partners_are_seen_on_some_images_and_not_in_a_dry_run(folded, tmp_path, monkeypatch):
    monkeypatch.setattr(look_at_groups, "MOST_IMAGES", 51)
    copy = folded.copy(tmp_path / "copy")
    report = copy.tune(SilentStages(), "margin", **LOOSE)
    assert report.fold is not None
    assert report.fold.partners is not None
    assert report.fold.partners.images == 50
    report = copy.tune(SilentStages(), "margin", dry_run=True, **LOOSE)
    assert report.fold is not None
    assert report.fold.partners is None


def test_easiness_is_stored_and_used(tuned):
    copy, report = tuned
    assert report.fold is not None
    assert report.fold.easiness is not None
    assert report.fold.easiness.images == report.samples["tune"]
    assert copy.bundle.manifest.easiness == EASINESS_NAME
    easiness = copy.bundle.read_json(EASINESS_NAME, Easiness)
    assert easiness.rank_correlation == report.fold.easiness.rank_correlation
    policy = copy.bundle.policy(copy.bundle.manifest.chosen)
    tune = copy.record(SilentStages(), copy.path.parent / "for easiness").splits["tune"].trace
    passed = leave_at(play(policy.make(), tune).table.scores, policy.thresholds)
    seen = load_whole_groups(copy.bundle, None, SilentStages())["tune"].inputs["x"]
    assert easiness.coefficients == pytest.approx(fit_easiness("x", seen, passed, seed=0).coefficients)
    assert (easiness.input, easiness.channel_axis) == ("x", 2)
    images = copy.arrays["x"][:23]
    by_easiness = eerun.load(copy.path, threads=2, grouping="easy")
    order = easiness.order({"x": images})
    in_order = eerun.load(copy.path, threads=2).infer(images[order])
    np.testing.assert_array_equal(by_easiness.infer(images).labels[order], in_order.labels)


def test_a_predictor_of_other_thresholds_does_not_stay(tuned, tmp_path, monkeypatch, stages):
    copy = tuned[0].copy(tmp_path / "copy")
    monkeypatch.setattr(easiness_fit, "FEWEST_IMAGES", SAMPLES)
    report = copy.tune(stages, "margin", **LOOSE)
    assert report.fold is not None
    assert report.fold.easiness is None
    assert any("likely-easy images cannot be put together" in line for line in stages.warnings)
    assert copy.bundle.manifest.easiness is None
    assert EASINESS_NAME not in copy.bundle.manifest.files
    assert not (copy.path / EASINESS_NAME).exists()


def test_policies_of_shares_are_left_out_of_all(folded, stages):
    found = _tuners(folded.bundle, TuneSettings(), stages)
    assert {"max-probability", "patience", "gati", "accuracy-bins", "geometric-ensemble"} <= set(found)
    assert set(found).isdisjoint({"pame", "eenet", "predictive-exit"})
    (line,) = stages.warnings
    assert line.startswith("pame, eenet")
    assert "left out, their shares are of samples" in line
    _tuners(folded.bundle, TuneSettings(policies=("margin",)), stages)
    assert len(stages.warnings) == 1


def test_the_text_and_the_file_say_it(tuned):
    copy, report = tuned
    assert copy.bundle.read_json(TUNE_NAME, TuneReport) == report
    assert msgspec.json.decode(msgspec.json.encode(report), type=TuneReport) == report
    text = tune_summary(report)
    assert "Folded by 2; each rule with thresholds of its own:" in text
    assert "first passed →" in text
    assert "Partners: " in text
    assert "have a rank correlation of " in text


def test_a_promise_counts_images_and_rests_on_groups(folded, tmp_path):
    copy = folded.copy(tmp_path / "copy")
    report = copy.tune(SilentStages(), "margin", certify=0.6, confidence=0.9, **LOOSE)
    assert report.certificate is not None
    images = report.samples["certify"]
    assert (report.certificate.samples, report.certificate.groups) == (images, images // FOLD)
    assert report.certificate.risk_certify < report.certificate.bound <= 0.6
    certificate = copy.bundle.policy(copy.bundle.manifest.chosen).certificate
    assert certificate is not None
    assert (certificate.samples, certificate.groups) == (images, images // FOLD)
    assert certificate.group_exit is GroupExit.ALL
    assert f"from {images} samples in {images // FOLD} groups" in tune_summary(report)


def test_too_few_groups_are_refused_before_anything_runs(folded, tmp_path):
    copy = folded.copy(tmp_path / "copy")
    with pytest.raises(BuildError, match=r"got \d+ certify samples, at least 682 are needed"):
        copy.tune(SilentStages(), "margin", certify=0.01, confidence=0.95, **LOOSE)


def test_a_trace_knows_groups_and_is_tuned_under_any_rule(folded, tmp_path):
    copy = folded.copy(tmp_path / "copy")
    copy.record(SilentStages(), tmp_path / "trace")
    again = open_recording(tmp_path / "trace")
    assert all(split.trace.fold == FOLD and split.trace.samples % FOLD == 0 for split in again.splits.values())
    changes = {"trace": tmp_path / "trace", "dry_run": True, "batch": 6, **LOOSE}
    found = {rule: copy.tune(SilentStages(), "margin", fold_exit=rule, **changes) for rule in GroupExit}
    assert {report.batch for report in found.values()} == {6}
    for rule, report in found.items():
        assert report.fold is not None
        assert report.fold.rule is rule
        assert report.runs.tune.drop <= 0.5
    # alone, an image waits for nobody: by which rule groups leave makes no difference to what it costs at most
    for report in found.values():
        assert report.runs.tune.single_ms <= 3 * MS[0][0]


def test_multiply_accumulates_are_of_an_image(folded, tmp_path):
    copy = folded.copy(tmp_path / "copy")
    whole = copy.bundle.manifest.whole_macs / 1e6 / FOLD
    report = copy.tune(SilentStages(), "margin", budget_macs=0.7 * whole, agreement=True, dry_run=True)
    macs = report.policies[0].tune.macs
    assert macs is not None
    assert 0.3 * whole < macs <= 0.7 * whole


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policies": ("eenet",)}, "--policy: got 'eenet', whose shares are of samples"),
        ({"policies": ("pame",)}, "--policy: got 'pame', whose shares are of samples"),
        ({"select_exits": True}, "--select-exits: sets of exits are compared by shares"),
        ({"split_heads": True}, "--split-heads: the network is folded by 2"),
        ({"batch": 18}, "--batch: got 18, the bundle was measured up to 16"),
        ({"batch": 5}, "--batch: got 5 images for groups of 2. Give a multiple of 2"),
    ],
)
def test_what_cannot_be_is_refused(folded, changes, message):
    with pytest.raises(UserError, match=message):
        folded.tune(SilentStages(), **{"policies": ("margin",), "dry_run": True, **LOOSE, **changes})


def test_a_rule_for_groups_needs_groups(copied):
    with pytest.raises(UserError, match="--fold-exit: got 'first' for a network that is not folded"):
        copied.tune(SilentStages(), "margin", fold_exit=GroupExit.FIRST, dry_run=True)
