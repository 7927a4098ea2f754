"""Which configurations stay, and with which thresholds."""

from dataclasses import replace

import pytest

from eecompile.build.report import BuildReport
from eecompile.refresh.new_graphs import NO_GRAPHS, NewGraphs
from eecompile.refresh.recent_data import recent_splits
from eecompile.refresh.retune import Retuned, retune
from eerun.bundle import amend_bundle, rewrite_bundle

FLOAT32 = "onnxruntime-float32"


def retuned(deployed, graphs: NewGraphs, stages, **changes: object) -> Retuned:
    settings = deployed.settings(**changes)
    return retune(
        deployed.bundle, graphs, recent_splits(settings, deployed.bundle.manifest, output=(10,)), settings, stages
    )


def with_an_engine_that_is_not_here(deployed) -> str:
    def rename(manifest):
        return tuple(
            replace(entry, engine="later") if entry.name == "openvino-float32" else entry
            for entry in manifest.configurations
        )

    amend_bundle(deployed.path, rename, {})
    return "later-float32"


def test_what_cannot_run_here_is_left_where_its_graphs_stay_and_goes_where_they_change(refreshed, copied, stages):
    name = with_an_engine_that_is_not_here(copied)
    stays = retuned(copied, NO_GRAPHS, stages)
    assert list(stays.left) == [name]
    assert "no engine 'later'" in stays.left[name]
    assert name in stays.order
    assert name not in stays.dropped
    goes = retuned(copied, refreshed.replacement.graphs, stages)
    assert not goes.left
    assert "no engine 'later'" in goes.dropped[name]
    assert name not in goes.order


def test_what_answers_otherwise_than_the_build_allowed_goes_and_float32_stays(copied, stages):
    bundle = copied.bundle
    report = bundle.read_json(bundle.manifest.report, BuildReport)
    strict = {bundle.manifest.report: replace(report, max_quant_drop=0.0)}
    rewrite_bundle(copied.path, lambda manifest: manifest, strict)
    found = retuned(copied, NO_GRAPHS, stages)
    assert found.changes
    assert {way.name for way in found.configurations} == set(found.order)
    assert FLOAT32 in found.order
    assert all(way.agreement == 1.0 for way in found.configurations)
    assert set(found.order) | set(found.dropped) == {entry.name for entry in bundle.manifest.configurations}
    assert all("otherwise than float32" in reason for reason in found.dropped.values())


def test_thresholds_keep_the_allowed_drop_and_stay_where_others_save_nothing(copied, stages):
    strict = retuned(copied, NO_GRAPHS, stages, max_drop=0.0, min_gain=0.0)
    for way in strict.configurations:
        assert way.tune.accuracy is not None
        assert way.tune.accuracy >= way.tune.accuracy_float32 or way.tune.shares == (0, 0, 1), "nobody leaves early"
    loose = retuned(copied, NO_GRAPHS, stages, max_drop=1.0, min_gain=1.0)
    assert not loose.changes
    assert loose.order == tuple(entry.name for entry in copied.bundle.manifest.configurations)
    assert all(way.thresholds == way.thresholds_before for way in loose.configurations)


@pytest.mark.parametrize("agreement", [False, True])
def test_thresholds_that_miss_the_allowed_drop_by_chance_stay(copied, stages, agreement):
    bundle = copied.bundle
    entry = next(entry for entry in bundle.manifest.configurations if entry.name == FLOAT32)
    low = replace(bundle.policy(entry), thresholds=(0.4, None))
    rewrite_bundle(copied.path, lambda manifest: manifest, {entry.policy: low})
    loose = retuned(copied, NO_GRAPHS, stages, max_drop=1.0, min_gain=1.0)
    way = next(way for way in loose.configurations if way.name == FLOAT32)
    final, reached = (1.0, way.tune.agreement) if agreement else (way.tune.accuracy_float32, way.tune.accuracy)
    lost = round((final - reached) * way.tune.samples)
    assert lost > 1
    for missed, stays in ((1, True), (lost - 0.1, False)):
        max_drop = (lost - missed) / final / way.tune.samples
        found = retuned(copied, NO_GRAPHS, stages, max_drop=max_drop, min_gain=1.0, agreement=agreement)
        now = next(way for way in found.configurations if way.name == FLOAT32)
        assert now.thresholds_before == (0.4, None)
        assert (now.thresholds == now.thresholds_before) == stays


def test_where_nobody_leaves_any_more_it_is_said(copied, stages):
    bundle = copied.bundle
    way = bundle.manifest.chosen
    never_worth = replace(bundle.costs(way), segment_ms=((0.1, 1.0), (0.0, 0.0), (0.0, 0.0)))
    amend_bundle(copied.path, lambda manifest: manifest.configurations, {way.costs: never_worth})
    found = retuned(copied, NO_GRAPHS, stages, max_drop=0.01, min_gain=0.0)
    tune = next(other for other in found.configurations if other.name == way.name).tune
    assert tune.shares == (0, 0, 1)
    assert any(f"nobody leaves early any more in {way.name} (" in words for words in stages.warnings)
    assert any(f"tuned on {tune.samples} samples, which cannot show that a drop of 1.00%" in w for w in stages.warnings)


def test_without_labels_the_drop_is_in_agreement(copied, stages):
    found = retuned(copied, NO_GRAPHS, stages, agreement=True, max_drop=0.1, min_gain=0.0)
    assert (found.drop_measure, found.max_drop) == ("agreement", 0.1)
    assert all(way.tune.agreement >= 0.9 for way in found.configurations)
