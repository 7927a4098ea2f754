"""A refresh of a bundle whose policy was fitted: each configuration keeps its parameters, in its graphs as well."""

from dataclasses import replace

import numpy as np
import pytest
from tunable_bundles import steady_measure_costs

from eecompile.build.report import BuildReport
from eecompile.inspect import inspect_text
from eecompile.refresh.tuned_for import tuned_for
from eecompile.tune import TuneSettings, tune
from eerun.bundle import TUNE_NAME, amend_bundle, rewrite_bundle
from eerun.configuration import HostConfiguration

KEPT = ("onnxruntime-float32", "onnxruntime-int8")


@pytest.fixture
def tuned(copied, backbone, silent):
    """The bundle with gates of its own in float32 and in INT8."""
    entries = {entry.name: entry for entry in copied.bundle.manifest.configurations}
    amend_bundle(copied.path, lambda _: tuple(entries[name] for name in KEPT), {})
    data = str(backbone.with_suffix(".npz"))
    tune(copied.path, TuneSettings(data=data, policies=("gati",), max_drop=0.02, threads=2), silent)
    return copied


def scores(deployed, entry):
    """Of the graphs of a configuration, and of its policy on the logits of these graphs."""
    x = np.load(deployed.folder / "recent.npz")["x"][:60]
    chain = HostConfiguration(bundle=deployed.bundle, entry=entry, backend=entry.engine).open_chain(threads=2)
    parts = [chain.record({"x": x[start : start + 15]}) for start in range(0, 60, 15)]
    logits, made = (np.concatenate(part) for part in zip(*parts, strict=True))
    policy, state, expected = deployed.bundle.policy(entry).make(), None, []
    for exit_ in range(logits.shape[1] - 1):
        score, state = policy.score(np.ascontiguousarray(logits[:, exit_]), state, exit_index=exit_)
        expected.append(score)
    return made[:, :-1], np.stack(expected, axis=1)


def graphs_of(deployed):
    """Every graph by path."""
    return {name: content for name, content in deployed.content().items() if name.endswith(".onnx")}


def changed_names(before, deployed):
    """File names of the graphs that are others now; what went does not count."""
    after = graphs_of(deployed)
    return {name.rpartition("/")[2] for name in before if name in after and after[name] != before[name]}


def test_parameters_stay_and_graphs_have_them(tuned, silent):
    before = {entry.name: tuned.bundle.policy(entry) for entry in tuned.bundle.manifest.configurations}
    graphs = graphs_of(tuned)
    assert before[KEPT[0]].parameters != before[KEPT[1]].parameters
    report = tuned.refresh(silent)
    assert report.written
    assert report.segments_replaced == (0,)
    assert changed_names(graphs, tuned) == {"0.onnx"}
    for entry in tuned.bundle.manifest.configurations:
        after = tuned.bundle.policy(entry)
        assert (after.policy, after.parameters) == ("gati", before[entry.name].parameters)
        made, expected = scores(tuned, entry)
        assert np.allclose(made, expected, atol=1e-4), entry.name


def test_what_was_tried_before_goes(tuned, silent):
    gone = {TUNE_NAME, "report/pareto.png", "report/pareto.svg"}
    assert gone <= {*tuned.bundle.manifest.files}
    assert "AUROC" in inspect_text(tuned.path, nodes=False, ranges=False)
    tuned.refresh(silent, epochs=2)
    assert not gone & {*tuned.bundle.manifest.files}
    assert "AUROC" not in inspect_text(tuned.path, nodes=False, ranges=False)


def test_a_bundle_that_has_lost_an_exit_is_refreshed(copied, backbone, silent, monkeypatch):
    monkeypatch.setattr("eecompile.tune.variant.measure_costs", steady_measure_costs)
    entries = {entry.name: entry for entry in copied.bundle.manifest.configurations}
    amend_bundle(copied.path, lambda _: tuple(entries[name] for name in KEPT), {})
    data = str(backbone.with_suffix(".npz"))
    settings = TuneSettings(
        data=data, policies=("margin",), select_exits=True, max_drop=0.02, threads=2, measure_seconds=0.0
    )
    tune(copied.path, settings, silent)
    before, graphs = copied.bundle, graphs_of(copied)
    assert len(before.manifest.exits) == 2
    report = copied.refresh(silent, epochs=4, min_gain=0.01)
    assert [head.replaced for head in report.heads] == [True]
    after = copied.bundle
    assert after.manifest.exits == before.manifest.exits
    assert report.segments_replaced == (0,)
    assert changed_names(graphs, copied) == {"0.onnx"}


def test_what_thresholds_were_tuned_for_is_said(copied, backbone, stages):
    entries = {entry.name: entry for entry in copied.bundle.manifest.configurations}
    amend_bundle(copied.path, lambda _: (entries[KEPT[0]],), {})
    data = str(backbone.with_suffix(".npz"))
    tune(copied.path, TuneSettings(data=data, policies=("margin",), budget_ms=1e3, threads=2), stages)
    thresholds = copied.bundle.policy(copied.bundle.manifest.chosen).thresholds
    said = "thresholds stay: the bundle was tuned for a budget, at most 1000 ms a batch; --max-drop tunes them"
    for _ in range(2):
        stages.warnings.clear()
        report = copied.refresh(stages, epochs=2, min_gain=0.0)
        assert TUNE_NAME not in copied.bundle.manifest.files, "the first refresh keeps the goal in its own report"
        assert report.configurations[0].thresholds == thresholds
        assert said in stages.warnings
    assert copied.refresh(stages, epochs=2, max_drop=0.02, min_gain=0.0).tuned_for is None
    assert tuned_for(copied.bundle) == "--max-drop 2.00% by the last refresh"


def test_thresholds_by_hand_are_tuned_for_nothing(copied, stages):
    bundle = copied.bundle
    report = bundle.read_json(bundle.manifest.report, BuildReport)
    rewrite_bundle(copied.path, lambda manifest: manifest, {bundle.manifest.report: replace(report, max_drop=None)})
    found = copied.refresh(stages, epochs=1)
    assert (found.max_drop, found.tuned_for) == (None, None)
    assert not any("thresholds stay" in words for words in stages.warnings)
