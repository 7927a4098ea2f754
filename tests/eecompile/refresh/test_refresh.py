"""Heads learn from recent scans; nothing else changes."""

import hashlib
from pathlib import Path

import numpy as np
import torch

import eerun
from eecalib.int8.ranges import Ranges
from eecompile.checkpoint import build_module, load_checkpoint
from eecompile.cli.refresh_summary import refresh_summary
from eecompile.inspect.bundle import bundle_text
from eecompile.refresh import RefreshReport
from eecompile.refresh.recent_data import recent_splits
from eerun.configuration import HostConfiguration
from eerun.data import Samples


def recorded(deployed, name: str, samples: np.ndarray) -> np.ndarray:
    """Logits `[samples, exits, classes]` of a configuration."""
    bundle = deployed.bundle
    entry = next(entry for entry in bundle.manifest.configurations if entry.name == name)
    chain = HostConfiguration(bundle=bundle, entry=entry, backend=entry.engine).open_chain()
    return np.concatenate([chain.record({"x": part})[0] for part in np.array_split(samples, len(samples) // 10)])


def unseen(deployed) -> Samples:
    """The recent scans that neither training nor tuning has seen."""
    return recent_splits(deployed.settings(), deployed.bundle.manifest, output=(10,))["test"]


def test_the_first_head_gains_and_the_second_keeps_its_weights(refreshed):
    first, second = refreshed.report.heads
    least = refreshed.report.min_gain
    assert first.agreement - first.agreement_before > least > second.agreement - second.agreement_before
    assert (first.replaced, second.replaced) == (True, False)
    assert refreshed.report.written
    assert refreshed.report.samples == {"train": 540, "tune": 180, "test": 180, "validation": 135}


def test_agreement_on_scans_that_training_never_saw_rises(refreshed):
    agreement = []
    for deployed in (refreshed.before, refreshed.after):
        answers = recorded(deployed, "onnxruntime-float32", unseen(deployed).inputs["x"]).argmax(2)
        agreement.append(float((answers[:, 0] == answers[:, -1]).mean()))
    assert agreement[1] > agreement[0] + 0.1


def test_only_the_graphs_of_the_changed_segment_are_others(refreshed):
    before, after = refreshed.before.content(), refreshed.after.content()
    dropped = {reason.split(":")[0] for reason in refreshed.report.dropped}
    gone = set(before) - set(after)
    assert {Path(name).name.removesuffix(".json") for name in gone if "/costs/" in name} == dropped
    assert all(any(way in name for way in dropped) for name in gone)
    before = {name: content for name, content in before.items() if name in after}
    other = {name for name in before if before[name] != after.get(name)}
    graphs = {name for name in other if name.endswith(".onnx")}
    assert graphs == {name for name in before if name.endswith("/0.onnx")}
    assert refreshed.report.segments_replaced == (0,)
    policies = {name for name in other if "/policy/" in name}
    changed = {"model.pt", "model.ee/manifest.json", "model.ee/calibration/ranges.json"}
    assert other == graphs | policies | changed
    assert set(after) - set(before) == {"model.ee/report/refresh.json"}


def test_the_trunk_answers_bit_for_bit_as_before(refreshed):
    for name in ("onnxruntime-float32", "onnxruntime-int8"):
        old, new = (recorded(deployed, name, refreshed.samples) for deployed in (refreshed.before, refreshed.after))
        assert np.array_equal(old[:, 1:], new[:, 1:]), "the second head and the final exit"
        assert not np.array_equal(old[:, 0], new[:, 0])


def test_every_weight_but_those_of_the_first_head_is_the_old_one(refreshed):
    old, new = (load_checkpoint(deployed.model) for deployed in (refreshed.before, refreshed.after))
    first = old.attached.exits[0]
    place = [head.name for head in old.attached.heads].index(first)
    other = {name for name, weight in old.state_dict.items() if not torch.equal(weight, new.state_dict[name])}
    assert other
    assert all(name.startswith(f"heads.{place}.") for name in other)
    assert new.meta["refreshed_from"] == hashlib.sha256(refreshed.before.model.read_bytes()).hexdigest()
    measured = next(head.agreement for head in new.attached.heads if head.name == first)
    assert measured == refreshed.report.heads[0].agreement


def test_the_bundle_answers_as_the_new_checkpoint_does_in_torch(refreshed):
    module = build_module(load_checkpoint(refreshed.after.model), None)
    with torch.no_grad():
        expected = torch.stack(module(torch.from_numpy(refreshed.samples).float() / 16), 1).numpy()
    for name in ("onnxruntime-float32", "openvino-float32"):
        np.testing.assert_allclose(recorded(refreshed.after, name, refreshed.samples), expected, rtol=0, atol=1e-3)


def test_bundle_and_checkpoint_belong_together(refreshed):
    bundle = refreshed.after.bundle
    assert bundle.manifest.source_sha256 == hashlib.sha256(refreshed.after.model.read_bytes()).hexdigest()
    assert bundle.manifest.source_sha256 == refreshed.report.source_sha256
    bundle.verify_files()
    assert {name: split.samples for name, split in bundle.manifest.splits.items() if "recent" in name} == {
        "recent-train": 540,
        "recent-tune": 180,
        "recent-test": 180,
    }
    stored = bundle.read_json("report/refresh.json", RefreshReport)
    assert stored.heads == refreshed.report.heads
    assert stored.configurations == refreshed.report.configurations
    assert stored.seconds.writing is None


def test_what_is_reported_of_the_new_bundle_is_what_it_does(refreshed):
    bundle, test = refreshed.after.bundle, unseen(refreshed.after)
    model = eerun.load(refreshed.after.path)
    way = refreshed.report.configurations[0]
    assert f"{model.engine}-{model.precision}" == way.name == bundle.manifest.chosen.name
    assert tuple(model.thresholds) == way.thresholds
    result = model.infer(test.inputs["x"])
    shares = np.bincount(result.exit_index, minlength=3) / len(test)
    np.testing.assert_allclose(shares, way.test.shares, rtol=0, atol=2.5 / len(test))
    assert abs(float((result.labels == test.labels).mean()) - way.test.accuracy) <= 2.5 / len(test)


def test_configurations_are_listed_by_expected_time(refreshed):
    expected = [way.tune.expected_ms for way in refreshed.report.configurations]
    assert expected == sorted(expected)
    names = [entry.name for entry in refreshed.after.bundle.manifest.configurations]
    assert names == [way.name for way in refreshed.report.configurations]
    assert {*names, *(reason.split(":")[0] for reason in refreshed.report.dropped)} == {
        entry.name for entry in refreshed.before.bundle.manifest.configurations
    }


def test_more_leave_at_the_first_exit_than_before(refreshed):
    way = refreshed.report.configurations[0]
    assert refreshed.report.before is not None
    assert way.test.shares[0] > refreshed.report.before.shares[0]
    assert way.test.expected_ms < refreshed.report.before.expected_ms


def test_ranges_of_the_trunk_stay(refreshed):
    old, new = (
        deployed.bundle.read_json("calibration/ranges.json", Ranges) for deployed in (refreshed.before, refreshed.after)
    )
    assert old.whole == new.whole
    other = {name for name, limits in old.tensors.items() if new.tensors[name] != limits}
    assert 0 < len(other) <= refreshed.report.observed
    assert not other & set(old.whole)


def test_a_model_that_was_loaded_before_goes_on(refreshed):
    again = refreshed.loaded.infer(refreshed.samples)
    assert np.array_equal(again.outputs, refreshed.answers.outputs)
    assert np.array_equal(again.exit_index, refreshed.answers.exit_index)


def test_inspect_shows_what_the_refresh_measured(refreshed):
    before, after = (
        bundle_text(deployed.bundle, nodes=False, ranges=False) for deployed in (refreshed.before, refreshed.after)
    )
    way = refreshed.report.configurations[0]
    assert f"Refreshed: new weights in {refreshed.report.heads[0].name}; below, tune and test are the recent" in after
    assert "Refreshed" not in before
    quality = f"accuracy {way.test.accuracy:.2%} (final exit {way.test.accuracy_final:.2%})"
    assert quality in after
    assert quality not in before


def test_the_summary_says_what_was_done(refreshed):
    text = refresh_summary(refreshed.report)
    first, second = refreshed.report.heads
    assert f"{first.name}  {first.agreement_before:.2%}".replace("%", " %") in text
    assert "Segments replaced: 1 of 3 (0)" in text
    assert "540" not in text
    assert text.splitlines()[2].endswith("new")
    assert text.splitlines()[3].startswith(second.name)
    assert text.splitlines()[3].endswith("old")
    assert text.splitlines()[-1] == f"PASSED | model.ee | {refreshed.after.model}"
