"""`eecompile trace`: what is recorded comes back, and only with the bundle that it was recorded of."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from tunable_bundles import SIZES

from eecalib.trace import open_recording, write_recording
from eecompile.tune.trace_bundle import TraceSettings, trace_bundle
from eengines.errors import DataError, UserError
from eerun.data import default_data_path


def test_a_recording_comes_back_as_it_was(tunable, stages, tmp_path):
    made, folder, written = trace_bundle(tunable.path, TraceSettings(output=tmp_path / "t", threads=2), stages)
    opened = open_recording(folder)
    assert (opened.source_sha256, opened.configuration) == (made.source_sha256, "onnxruntime-int8")
    assert opened.exits == tunable.bundle.manifest.exits
    assert {name: split.trace.samples for name, split in opened.splits.items()} == {
        name: count for name, count in SIZES.items() if name != "calib"
    }
    for name, split in opened.splits.items():
        assert isinstance(split.trace.logits, np.memmap)
        assert np.array_equal(split.trace.logits, made.splits[name].trace.logits)
        assert np.array_equal(split.trace.labels, tunable.arrays[f"y_{name}"])
        assert np.array_equal(split.float32, made.splits[name].float32)
        assert split.sha256 == tunable.bundle.manifest.splits[name].sha256
    assert written == sum(file.stat().st_size for file in folder.iterdir())
    assert max(stages.shares) == 1


def test_it_is_written_beside_the_bundle_of_the_configuration_that_is_named(copied, stages):
    settings = TraceSettings(engine="onnxruntime", precision="float32", threads=2)
    made, folder, _ = trace_bundle(copied.path, settings, stages)
    assert folder == copied.path.with_suffix(".trace")
    assert made.configuration == "onnxruntime-float32"
    split = made.splits["test"]
    assert np.array_equal(split.trace.logits[:, -1].argmax(axis=1), split.float32)


def test_a_folder_with_something_in_it_is_refused(copied, stages):
    copied.path.with_suffix(".trace").mkdir()
    (copied.path.with_suffix(".trace") / "mine.txt").touch()
    with pytest.raises(UserError, match=r"net\.trace: it exists and is not empty"):
        trace_bundle(copied.path, TraceSettings(), stages)


def test_without_data_it_says_where_they_were_looked_for(copied, stages):
    default_data_path(copied.path).unlink()
    with pytest.raises(DataError, match=r"there is no net\.npz"):
        trace_bundle(copied.path, TraceSettings(), stages)


def test_tuning_on_a_recording_gives_what_tuning_at_once_gives(tunable, trace, stages):
    from_trace = tunable.tune(stages, "margin", trace=trace, dry_run=True)
    assert not any("record exits of ONNX Runtime int8" in title for title in stages.titles)
    at_once = tunable.tune(stages, "margin", dry_run=True)
    assert from_trace.runs.thresholds == at_once.runs.thresholds
    assert from_trace.policies[0].tune == at_once.policies[0].tune


def test_a_recording_decides_which_configuration_is_tuned(tunable, stages, tmp_path):
    tunable.record(stages, tmp_path / "t", engine="onnxruntime", precision="float32")
    report = tunable.tune(stages, "margin", trace=tmp_path / "t", dry_run=True)
    assert report.configuration == "onnxruntime-float32"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"source_sha256": "0" * 64}, "its model is 000000000000"),
        ({"exits": ("a", "b", "c")}, "its exits is a, b, c"),
        ({"graphs_sha256": "0" * 64}, "its digest of graphs is 000000000000, the bundle has"),
        ({"engine_version": "0.1"}, "it was recorded with onnxruntime 0.1, here is"),
    ],
)
def test_a_recording_of_another_bundle_is_refused(tunable, trace, stages, tmp_path, changes, what):
    write_recording(replace(open_recording(trace), **changes), tmp_path / "other")
    with pytest.raises(DataError, match=f"--trace: {what}"):
        tunable.tune(stages, "margin", trace=tmp_path / "other", dry_run=True)


def test_a_recording_without_a_split_of_the_data_is_refused(tunable, trace, stages, tmp_path):
    opened = open_recording(trace)
    write_recording(replace(opened, splits={"tune": opened.splits["tune"]}), tmp_path / "other")
    with pytest.raises(DataError, match="its splits is tune, the bundle has tune, certify, test"):
        tunable.tune(stages, "margin", trace=tmp_path / "other", dry_run=True)


def test_a_recording_fits_the_bundle_with_another_policy(copied, trace, stages):
    first = copied.tune(stages, "predictive-exit-published", trace=trace)
    assert first.policies[0].heads_apart
    again = copied.tune(stages, "margin", trace=trace, dry_run=True)
    assert again.chosen == "margin"


def test_a_recording_of_exits_that_were_dropped_is_refused(copied, trace, stages):
    copied.tune(stages, "max-probability", trace=trace, select_exits=True)
    assert len(copied.bundle.manifest.exits) < 3
    with pytest.raises(DataError, match="its exits is early, middle, final"):
        copied.tune(stages, "margin", trace=trace, dry_run=True)


def test_a_policy_that_there_is_not_is_refused_before_anything_is_recorded(tunable, stages):
    with pytest.raises(UserError, match="--policy: got 'magic'"):
        tunable.tune(stages, "magic", dry_run=True)
    with pytest.raises(
        UserError, match="--policy: got 'pixel-count', which is no policy for a network with one answer"
    ):
        tunable.tune(stages, "pixel-count", dry_run=True)
    assert stages.titles == []


def test_a_recording_of_other_samples_is_refused(tunable, trace, stages, tmp_path):
    opened = open_recording(trace)
    splits = {**opened.splits, "tune": replace(opened.splits["tune"], sha256="0" * 64)}
    write_recording(replace(opened, splits=splits), tmp_path / "other")
    with pytest.raises(DataError, match="--trace: its split tune is 000000000000"):
        tunable.tune(stages, "margin", trace=tmp_path / "other", dry_run=True)


def test_a_recording_of_another_configuration_is_refused(tunable, trace, stages):
    with pytest.raises(DataError, match="its configuration is onnxruntime-int8, the bundle has onnxruntime-float32"):
        tunable.tune(stages, "margin", trace=trace, engine="onnxruntime", precision="float32", dry_run=True)


def test_data_that_are_not_those_of_the_build_are_refused(copied, stages, tmp_path):
    arrays = copied.arrays
    arrays["x_certify"] = arrays["x_certify"][::-1]
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(DataError, match="its certify split is not that of the build"):
        copied.tune(stages, "margin", data=str(tmp_path / "other.npz"))


@pytest.mark.parametrize("damage", ["header", "array", "short"])
def test_a_damaged_recording_is_refused(tunable, trace, stages, tmp_path, damage):
    folder = tmp_path / "damaged"
    shutil.copytree(trace, folder)
    if damage == "header":
        (folder / "trace.json").write_text("{}")
    elif damage == "array":
        (folder / "tune.logits.npy").unlink()
    else:
        np.save(folder / "tune.logits.npy", np.load(folder / "tune.logits.npy")[:-1])
    with pytest.raises(DataError, match="Record it again with `eecompile trace`"):
        tunable.tune(stages, "margin", trace=folder, dry_run=True)
