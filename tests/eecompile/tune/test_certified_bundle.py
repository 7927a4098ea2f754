"""`--certify`: what is promised of the final bundle is stored, holds here, and goes with what it rests on."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from silent_stages import SilentStages
from tunable_bundles import SIZES

import eerun
from eecalib.tuning import Candidate, TuningData, evaluate
from eecompile.inspect import inspect_text
from eengines.errors import BuildError
from eerun.bundle import amend_bundle

LIMIT, CONFIDENCE = 0.06, 0.9


@pytest.fixture(scope="module")
def certified(tunable, tmp_path_factory):
    """A bundle whose float32 graphs in ONNX Runtime come first and are certified, and what was reported."""
    copy = tunable.copy(tmp_path_factory.mktemp("certified") / "copy")
    report = copy.tune(
        SilentStages(), "margin", engine="onnxruntime", precision="float32", max_drop=0.03, certify=LIMIT,
        confidence=CONFIDENCE,
    )  # fmt: skip
    return copy, report


def first(copy):
    """The configuration that runs first, and its policy."""
    entry = copy.bundle.manifest.chosen
    return entry, copy.bundle.policy(entry)


def test_the_promise_is_stored_with_what_it_rests_on(certified):
    copy, report = certified
    entry, policy = first(copy)
    certificate = policy.certificate
    assert (certificate.risk, certificate.limit, certificate.confidence) == ("accuracy drop", LIMIT, CONFIDENCE)
    assert (certificate.method, certificate.samples) == ("betting", SIZES["certify"])
    assert certificate.split_sha256 == copy.bundle.manifest.splits["certify"].sha256
    assert (certificate.engine, certificate.precision) == (entry.engine, entry.precision)
    assert certificate.bound <= LIMIT
    assert report.certificate.bound == certificate.bound
    assert report.certificate.risk_certify < certificate.bound
    assert report.certificate.certified == 1 + len(policy.fallbacks) <= report.certificate.candidates
    assert report.runs.thresholds == policy.thresholds
    others = [each for each in copy.bundle.manifest.configurations if each != entry]
    assert all(copy.bundle.policy(each).certificate is None for each in others)


def test_fallbacks_are_slower_and_promised_too(certified, recordings):
    copy, _ = certified
    entry, policy = first(copy)
    assert policy.fallbacks
    split = recordings[entry.name].splits["tune"]
    data = TuningData(
        trace=split.trace, reference_right=split.reference_right, costs=copy.bundle.costs(entry), batch=16, seed=0
    )
    steps = [policy.thresholds, *(step.thresholds for step in policy.fallbacks)]
    found = [evaluate(Candidate(tuner="margin", policy=policy.make(), thresholds=each), data) for each in steps]
    times = [each.expected_ms for each in found]
    assert times == sorted(set(times))
    assert all(step.bound <= LIMIT for step in policy.fallbacks)


def test_the_runtime_has_nothing_to_say(certified, caplog):
    with caplog.at_level(logging.WARNING, logger="eerun"):
        model = eerun.load(certified[0].path, threads=2)
    assert model.void is None
    assert model.certificate.limit == LIMIT
    assert caplog.messages == []


def test_a_watched_model_starts_from_the_promise(certified):
    copy, _ = certified
    x, (_, policy) = copy.arrays["x_test"][:60], first(copy)
    model = eerun.load(copy.path, threads=2, shadow=1.0, shadow_seed=1)
    result, alone = model.infer(x), eerun.load(copy.path, threads=2).infer(x)
    assert (result.step, len(result.shadowed)) == (0, 60)
    assert np.array_equal(result.exit_index, alone.exit_index)
    assert model.metrics.step == 0
    assert model.metrics.limit == policy.certificate.disagreement


def test_it_is_shown(certified):
    text = inspect_text(certified[0].path, nodes=False, ranges=False)
    assert "---- Promises ----" in text
    promise = f"accuracy drop at most {LIMIT:.2%} with {CONFIDENCE:.0%} confidence"
    line = f"onnxruntime-float32: {promise}, betting on 500 samples (sha256"
    assert line in " ".join(text.split())
    assert "holds here" in text
    assert max(len(line) for line in text.splitlines() if str(certified[0].path) not in line) <= 100


def test_other_thresholds_have_no_promise(certified, tmp_path, caplog):
    copy = certified[0].copy(tmp_path / "copy")
    entry, policy = first(copy)
    changed = replace(policy, thresholds=(0.0, *policy.thresholds[1:]))
    amend_bundle(copy.path, lambda manifest: manifest.configurations, {entry.policy: changed})
    with caplog.at_level(logging.WARNING, logger="eerun"):
        model = eerun.load(copy.path, threads=2)
    assert model.void == "policy, parameters or thresholds are not those that were certified"
    assert any("does not hold here" in message for message in caplog.messages)
    text = inspect_text(copy.path, nodes=False, ranges=False)
    assert "! void here: policy, parameters or thresholds" in " ".join(text.split())


def test_another_engine_has_no_promise(certified):
    model = eerun.load(certified[0].path, engine="openvino", precision="float32", threads=2)
    assert "engine 'onnxruntime' was certified, here is 'openvino'" in model.void


def test_other_graphs_have_no_promise(certified, stages, tmp_path):
    copy = certified[0].copy(tmp_path / "copy")
    copy.tune(stages, "margin", engine="onnxruntime", precision="float32", max_drop=0.03)
    _, policy = first(copy)
    assert (policy.certificate, policy.fallbacks) == (None, ())


def test_too_few_samples_say_how_many_are_needed_and_the_bundle_stays(copied, trace, stages):
    before = copied.content()
    with pytest.raises(BuildError, match=r"--certify 0\.10%: got 500 certify samples, at least \d{4} are needed"):
        copied.tune(stages, "margin", trace=trace, certify=0.001)
    assert stages.titles == [], "nothing is searched for a promise that cannot be made"
    assert copied.content() == before


def test_what_enough_samples_do_not_show_is_not_promised(copied, trace, stages):
    before = copied.content()
    with pytest.raises(BuildError, match=r"--certify 0\.80%: 500 samples do not show a risk of at most 0\.008"):
        copied.tune(stages, "margin", trace=trace, certify=0.008, budget_ms=1.1)  # whatever keeps it loses more
    assert any(title.startswith("certify ") for title in stages.titles)
    assert copied.content() == before


def test_without_labels_disagreement_is_promised(unlabelled, stages):
    report = unlabelled.tune(stages, "margin", certify=LIMIT, certify_method="hoeffding-bentkus", dry_run=True)
    assert report.certificate.risk == "disagreement"
    assert 0 <= report.certificate.risk_certify < report.certificate.bound <= LIMIT
