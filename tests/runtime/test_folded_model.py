"""A folded bundle as services see it: images in, images out, in their order."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import eerun
from eengines.errors import BundleError, UserError
from eerun.bundle import (
    Bundle,
    Certificate,
    PolicyFile,
    amend_bundle,
    graphs_of,
    open_bundle,
    policy_digest,
    rewrite_bundle,
)
from eerun.circumstances import engine_version
from eerun.folding import Grouping, leave_in_groups
from eerun.measure_costs import device_name
from eerun.model import Model

LOAD = {"engine": "onnxruntime", "threads": 2}
FOLD, THRESHOLD = 4, 0.55


def copy_of(path: Path, folder: Path) -> Path:
    return Path(shutil.copytree(path, folder / path.name))


def certificate(bundle: Bundle, policy: PolicyFile) -> Certificate:
    return Certificate(
        risk="disagreement",
        limit=0.01,
        confidence=0.9,
        method="betting",
        samples=1000,
        bound=0.009,
        disagreement=0.01,
        split_sha256="0" * 64,
        graphs_sha256=graphs_of(bundle.manifest, bundle.manifest.chosen),
        policy_sha256=policy_digest(policy),
        engine="onnxruntime",
        engine_version=engine_version("onnxruntime"),
        precision="float32",
        processor=device_name(),
    )


@pytest.fixture(scope="module")
def model(folded_bundle) -> Model:
    return eerun.load(folded_bundle.path, **LOAD)


@pytest.mark.parametrize("count", [1, 3, 4, 9, 16, 50])
def test_any_number_of_images(model, folded_bundle, count):
    result, full = model.infer(folded_bundle.x[:count]), model.infer(folded_bundle.x[: count - count % FOLD or FOLD])
    assert result.outputs.shape == (count, 4)
    assert len(result.steps) == -(-count // 16)
    whole = min(count - count % FOLD, len(full.labels))
    assert np.array_equal(result.exit_index[:whole], full.exit_index[:whole]), "full groups see nobody behind them"
    assert np.allclose(result.outputs[:whole], full.outputs[:whole], rtol=1e-5, atol=1e-6)


def test_exits_are_those_of_groups(model, folded_bundle):
    x = folded_bundle.x[:30]
    first = model.infer(x, exits=False)
    assert first.exit_index.tolist() == [1] * 30
    executor, scores = model._executor, []
    for start in range(0, 30, 16):
        scores.append(executor.record({"x": x[start : start + 16]})[1])
    expected = leave_in_groups(np.concatenate(scores), (THRESHOLD,), fold=FOLD, rule=executor.group_exit)
    assert model.infer(x).exit_index.tolist() == expected.answered.tolist()
    assert 0 < (expected.answered == 0).mean() < 1


def test_answers_come_back_in_order_whatever_the_grouping(model, folded_bundle):
    easy = eerun.load(folded_bundle.path, **LOAD, grouping="easy")
    assert (model.grouping, easy.grouping) == (Grouping.ARRIVAL, Grouping.EASY)
    x = folded_bundle.x[:60]
    found = easy.infer(x)
    order = open_bundle(folded_bundle.path).easiness().order({"x": x})
    sorted_ = model.infer(x[order])
    for field in ("outputs", "exit_index", "confidence", "labels"):
        assert np.array_equal(getattr(found, field)[order], getattr(sorted_, field)), field
    assert not np.array_equal(order, np.arange(60))
    assert np.array_equal(easy.infer(x[:3]).outputs, model.infer(x[:3]).outputs), "one group stays as it is"


def test_recordings_come_back_in_order(model, folded_bundle):
    easy = eerun.load(folded_bundle.path, **LOAD, grouping="easy")
    x = folded_bundle.x[:10]
    order = open_bundle(folded_bundle.path).easiness().order({"x": x})
    found, sorted_ = easy._executor.record({"x": x}), model._executor.record({"x": x[order]})
    assert np.array_equal(found[0][order], sorted_[0])
    assert np.array_equal(found[1][order], sorted_[1])


@pytest.mark.parametrize("grouping", ["arrival", "easy"])
def test_a_watched_model_gives_the_same_answers(folded_bundle, grouping):
    plain = eerun.load(folded_bundle.path, **LOAD, grouping=grouping)
    watched = eerun.load(
        folded_bundle.path, **LOAD, grouping=grouping, shadow=0.4, shadow_limit=0.9, shadow_confidence=0.9
    )
    expected, found = plain.infer(folded_bundle.x), watched.infer(folded_bundle.x)
    final = plain.infer(folded_bundle.x, exits=False)
    assert np.array_equal(found.labels, expected.labels)
    assert np.array_equal(found.exit_index, expected.exit_index)
    rows, metrics = found.shadowed, watched.metrics
    assert 0.3 < len(rows) / len(folded_bundle.x) < 0.5
    assert metrics.samples == len(folded_bundle.x)
    differs = expected.labels != final.labels
    assert metrics.disagreements == differs[rows].sum()
    order = np.arange(len(folded_bundle.x))
    if grouping == "easy":
        order = open_bundle(folded_bundle.path).easiness().order({"x": folded_bundle.x})
    drawn = np.isin(order, rows).reshape(-1, FOLD)
    assert (drawn.all(axis=1) == drawn.any(axis=1)).all(), "whole groups are watched"
    assert metrics.watched == drawn.all(axis=1).sum() == len(rows) / FOLD, "a group is one observation"
    means = differs[order].reshape(-1, FOLD).mean(axis=1)
    assert metrics.estimate == pytest.approx(means[drawn.all(axis=1)].mean())
    reached = [
        sum(step.entered for part in result.steps for step in part if step.segment) for result in (expected, found)
    ]
    groups = len(order) / FOLD
    assert reached[1] - reached[0] == pytest.approx((groups - reached[0]) * metrics.watched / groups, abs=0.1 * groups)


def test_groupings_that_cannot_be(folded_bundle, tmp_path):
    with pytest.raises(UserError, match="grouping: got 'hard', known are arrival, easy"):
        eerun.load(folded_bundle.path, **LOAD, grouping="hard")
    with pytest.raises(UserError, match="for folded networks"):
        eerun.load(folded_bundle.unfolded, **LOAD, grouping="easy")
    path = copy_of(folded_bundle.path, tmp_path)
    rewrite_bundle(path, lambda old: replace(old, easiness=None), {})
    with pytest.raises(UserError, match=r"Run `eecompile tune net\.ee`"):
        eerun.load(path, **LOAD, grouping="easy")


@pytest.mark.parametrize("change", [{"input": "y"}, {"channel_axis": None}, {"channel_axis": 3}, {"coefficients": ()}])
def test_easiness_of_other_images_is_refused(folded_bundle, tmp_path, change):
    path = copy_of(folded_bundle.path, tmp_path)
    other = replace(open_bundle(path).easiness(), **change)
    rewrite_bundle(path, lambda old: old, {"policy/easiness.json": other})
    with pytest.raises(BundleError, match="fitted to other inputs"):
        eerun.load(path, **LOAD, grouping="easy")


def test_a_bundle_that_is_folded_otherwise_than_its_graphs_is_refused(folded_bundle, tmp_path):
    path = copy_of(folded_bundle.path, tmp_path)
    rewrite_bundle(path, lambda old: replace(old, fold=replace(old.fold, factor=2)), {})
    with pytest.raises(BundleError, match="Build the bundle again"):
        eerun.load(path, **LOAD)


def test_a_certificate_of_another_rule_is_said_to_be_void(folded_bundle, tmp_path, caplog):
    path = copy_of(folded_bundle.path, tmp_path)
    bundle = open_bundle(path)
    policy = bundle.policy(bundle.manifest.chosen)
    certified = replace(policy, certificate=certificate(bundle, policy))
    amend_bundle(path, lambda manifest: manifest.configurations, {"policy/policy.json": certified})
    with caplog.at_level(logging.WARNING, logger="eerun"):
        assert eerun.load(path, **LOAD).void is None
        assert not caplog.records
        void = eerun.load(path, **LOAD, grouping="easy").void
    assert void == "grouping 'arrival' was certified, here is 'easy'"
    assert void in caplog.text
    changed = replace(certified, group_exit="first")
    amend_bundle(path, lambda manifest: manifest.configurations, {"policy/policy.json": changed})
    assert eerun.load(path, **LOAD).void == "group exit 'all' was certified, here is 'first'"
