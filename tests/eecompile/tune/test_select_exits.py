"""`--select-exits`: exits that do not pay go, their segments merge, and the rest answers as before."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from silent_stages import SilentStages

import eerun
from eecompile.inspect import inspect_text
from eecompile.tune import TuneReport
from eerun.bundle import DeviceEntry, TargetEntry, rewrite_bundle

CARD = DeviceEntry(
    name="NVIDIA T4", compute_capability="7.5", expected_us=1.0, workspace_bytes=None, optimisation_level=None
)


def for_a_card(bundle):
    """Give a bundle graphs for a target, and a configuration of a card."""
    host = bundle.bundle.manifest.chosen
    files = [f"targets/t4-float32/{name}" for name in ("0.onnx", "1.onnx", "2.onnx", "whole.onnx", "policy.json")]
    target = TargetEntry(
        target="t4", precision="float32", opset=17, segments=tuple(files[:3]), whole=files[3], policy=files[4],
        agreement=None,
    )  # fmt: skip
    on_card = replace(host, engine="tensorrt", device=CARD)
    rewrite_bundle(
        bundle.path,
        lambda manifest: replace(manifest, configurations=(on_card, *manifest.configurations), targets=(target,)),
        dict.fromkeys(files, b"graph"),
    )
    return bundle


@pytest.fixture(scope="module")
def selected(tunable, trace, tmp_path_factory, steady_costs):
    """A bundle with graphs for a card that has lost exits, and what was reported."""
    copy = for_a_card(tunable.copy(tmp_path_factory.mktemp("selected") / "copy"))
    report = copy.tune(SilentStages(), "max-probability", "patience", trace=trace, select_exits=True)
    return copy, report


def test_the_set_that_is_fastest_is_kept(selected):
    copy, report = selected
    manifest = copy.bundle.manifest
    assert len(manifest.exits) == len(manifest.segments) == 2
    assert manifest.exits == report.policies[0].exits
    assert manifest.exits[-1] == "final"
    tried = {each.exits for each in report.policies}
    assert {("early", "middle", "final"), ("early", "final"), ("middle", "final")} <= tried
    assert report.policies[0].tune.batch_ms <= 1.02 * min(each.tune.batch_ms for each in report.policies)
    assert all(len(auroc.auroc) == 2 for auroc in report.ranks)
    assert copy.bundle.read_json("report/tune.json", TuneReport) == report


def test_every_configuration_has_one_graph_fewer_and_costs_of_its_own(selected, tunable):
    bundle = selected[0].bundle
    bundle.verify_files()
    assert {entry.name for entry in bundle.manifest.configurations} == {"onnxruntime-int8", "onnxruntime-float32"}
    for entry in bundle.manifest.configurations:
        assert len(entry.segments) == 2
        assert bundle.costs(entry).segments == 2
        assert len(bundle.policy(entry).thresholds) == 1
        old = next(each for each in tunable.bundle.manifest.configurations if each.name == entry.name)
        assert not {*old.segments[2:]} & {*bundle.manifest.files}, "the third graph is gone"
    segments, before = bundle.manifest.segments, tunable.bundle.manifest.segments
    assert sum(segment.macs for segment in segments) < sum(segment.macs for segment in before)
    for segment in segments:
        graph = onnx.load_model_from_string(bundle.read(segment.file)).graph
        assert len(graph.node) == segment.nodes
        assert {segment.logits, segment.score} <= {value.name for value in graph.output}
    kept = tunable.bundle.manifest.exits.index(bundle.manifest.exits[0])
    assert [segment.boundary_bytes for segment in segments] == [before[kept].boundary_bytes, 0]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_with_exits_off_it_answers_as_before(selected, tunable, precision):
    x = tunable.arrays["x_test"][:60]
    new, old = (
        eerun.load(each.path, engine="onnxruntime", precision=precision, threads=2).infer(x, exits=False)
        for each in (selected[0], tunable)
    )
    assert np.allclose(new.outputs, old.outputs, atol=1e-4)
    assert set(new.exit_index.tolist()) == {1}


def test_the_exit_that_stays_answers_as_it_did(selected, tunable, recordings):
    kept = tunable.bundle.manifest.exits.index(selected[0].bundle.manifest.exits[0])
    result = eerun.load(selected[0].path, engine="onnxruntime", precision="int8", threads=2).infer(
        tunable.arrays["x_test"]
    )
    early = result.exit_index == 0
    assert 0.1 < early.mean() < 1
    logits = recordings["onnxruntime-int8"].splits["test"].trace.logits[early, kept]
    assert np.allclose(result.outputs[early], logits, atol=1e-4)


def test_what_has_the_dropped_exits_goes_with_a_word(selected):
    copy, report = selected
    assert copy.bundle.manifest.targets == ()
    assert not (copy.path / "targets").exists()
    (line,) = [line for line in report.warnings if "gone" in line]
    assert "tensorrt-float32-nvidia-t4" in line or "tensorrt-int8-nvidia-t4" in line
    assert "target t4 float32" in line


def test_without_fewer_exits_what_is_for_cards_stays_with_a_word(copied, trace, stages):
    for_a_card(copied)
    report = copied.tune(stages, "margin", trace=trace)
    manifest = copied.bundle.manifest
    assert manifest.configurations[0].device == CARD
    assert [target.target for target in manifest.targets] == ["t4"]
    (line,) = [line for line in report.warnings if "left with the policy that it has" in line]
    assert "target t4 float32" in line


def test_it_can_be_inspected_and_tuned_again(selected, stages):
    copy, _ = selected
    text = inspect_text(copy.path, nodes=True, ranges=True)
    assert "2 segment(s)" in text
    again = copy.tune(stages, "margin", dry_run=True, trace=None)
    assert {each.exits for each in again.policies} == {copy.bundle.manifest.exits}
