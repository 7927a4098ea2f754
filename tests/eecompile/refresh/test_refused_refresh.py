"""What cannot be refreshed is refused with a reason, and nothing is written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from eecompile.cli.main import app
from eecompile.cli.refresh_summary import refresh_summary
from eecompile.ingest.source_hash import source_hash
from eecompile.refresh import RefreshSettings
from eecompile.refresh.recent_data import recent_splits
from eecompile.train.settings import TrainSettings
from eengines.errors import BundleError, DataError, InputError, UserError
from eerun.bundle import InputEntry, amend_bundle, open_bundle, rewrite_bundle


def recent(deployed) -> dict[str, np.ndarray]:
    return dict(np.load(deployed.folder / "recent.npz"))


def splits_of(deployed, arrays: dict[str, np.ndarray], **train: str):
    path = deployed.folder / "given.npz"
    np.savez(path, **arrays)
    settings = RefreshSettings(data=str(path), train=TrainSettings(validation=0.25, **train))
    return recent_splits(settings, deployed.bundle.manifest, output=(10,))


def refused(deployed, kind: type[Exception], match: str, stages, **changes: object) -> None:
    before = deployed.content()
    with pytest.raises(kind, match=match):
        deployed.refresh(stages, **changes)
    assert deployed.content() == before


def test_another_model(copied, backbone, stages):
    refused(
        copied, BundleError, r"backbone\.pt: got a model with sha256 .* belongs to model\.pt", stages, model=backbone
    )


def test_no_model_beside_the_bundle(copied, stages):
    copied.model.unlink()
    refused(copied, UserError, r"model\.pt: no such file, where the bundle says .* with --model", stages)


def test_a_model_without_attached_heads(copied, backbone, stages):
    digest = source_hash([backbone])
    rewrite_bundle(copied.path, lambda manifest: replace(manifest, source_sha256=digest), {})
    refused(copied, UserError, "has no attached heads, expected some.*eecompile attach", stages, model=backbone)


def test_a_damaged_bundle(copied, stages):
    (copied.path / "manifest.json").write_text("{}")
    refused(copied, BundleError, r"manifest\.json", stages)


def test_a_place_that_cannot_be_written(copied, stages):
    refused(copied, UserError, "--output .*does not exist", stages, output=Path("nowhere") / "new.pt")


def test_joint_training():
    with pytest.raises(UserError, match="--mode: got joint, expected frozen: a refresh leaves the trunk as it is"):
        RefreshSettings(data="recent.npz", train=TrainSettings(mode="joint"))


@pytest.mark.parametrize(("flag", "changes"), [("--min-gain", {"min_gain": 1.1}), ("--max-drop", {"max_drop": -0.1})])
def test_shares_out_of_range(flag, changes):
    with pytest.raises(UserError, match=f"{flag}: got .*expected 0% to 100%"):
        RefreshSettings(data="recent.npz", **changes)


def test_labels_are_needed_to_learn_them_and_for_nothing_else(copied, stages):
    arrays = {"x": recent(copied)["x"]}
    assert splits_of(copied, arrays)["tune"].labels is None
    with pytest.raises(UserError, match=r"--target labels: got no labels in .*given\.npz.*Add them as y"):
        splits_of(copied, arrays, target="labels")


def test_too_few_samples(copied):
    few = {
        f"{name}_{split}": array[:19] for name, array in recent(copied).items() for split in ("train", "tune", "test")
    }
    with pytest.raises(
        DataError, match="got 19 train, 19 tune, 19 test samples, expected 20 or more of tune and of test"
    ):
        splits_of(copied, few)
    copies = {name: array[:1].repeat(200, 0) for name, array in recent(copied).items()}
    with pytest.raises(DataError, match=r"got .*\b200 .*\b0 test samples.*copies stay together"):
        splits_of(copied, copies)


def test_a_missing_split(copied):
    found = recent(copied)
    with pytest.raises(DataError, match=r"got the splits train, test, expected train, tune, test.*Add x_tune"):
        splits_of(copied, {f"{name}_{split}": array for name, array in found.items() for split in ("train", "test")})


def test_samples_of_another_shape(copied):
    with pytest.raises(InputError, match="shape"):
        splits_of(copied, {"x": recent(copied)["x"][..., :7]})


@pytest.mark.parametrize(("widths", "expected"), [((12, 12), 12), ((30, 30), 24), ((24, 20), None)])
def test_texts_get_one_length_that_the_network_takes(copied, widths, expected):
    names = ("input_ids", "attention_mask")
    texts = tuple(InputEntry(name=name, dtype="int64", shape=(24,), sequence=0) for name in names)
    words = np.random.default_rng(0).integers(1, 40, (200, 12))
    words = np.pad(words, ((0, 0), (0, 18)))
    np.savez(copied.folder / "texts.npz", **{name: words[:, :width] for name, width in zip(names, widths, strict=True)})
    settings = RefreshSettings(data=str(copied.folder / "texts.npz"))
    manifest = replace(copied.bundle.manifest, inputs=texts)
    if expected is None:
        with pytest.raises(InputError, match="got a length of 20, another input has 24"):
            recent_splits(settings, manifest, output=(10,))
        return
    found = recent_splits(settings, manifest, output=(10,))
    assert {array.shape[1] for part in found.values() for array in part.inputs.values()} == {expected}


def test_samples_without_splits_are_cut_by_the_seed_and_never_twice(copied):
    count = len(recent(copied)["x"])
    numbered = {"x": np.arange(count)[:, None, None, None].repeat(8, 2).repeat(8, 3).astype(np.uint16)}
    manifest = copied.bundle.manifest
    manifest = replace(manifest, inputs=(replace(manifest.inputs[0], dtype="uint16", range=None),))
    path = copied.folder / "numbered.npz"
    np.savez(path, **numbered)

    def cut(seed: int) -> dict[str, list[int]]:
        settings = RefreshSettings(data=str(path), train=TrainSettings(seed=seed))
        found = recent_splits(settings, manifest, output=(10,))
        return {name: part.inputs["x"][:, 0, 0, 0].tolist() for name, part in found.items()}

    first, again, other = cut(0), cut(0), cut(1)
    assert sorted(number for part in first.values() for number in part) == list(range(count))
    assert first == again
    assert first != other


def test_where_exits_do_not_pay_the_refresh_says_so(copied, refreshed, stages):
    bundle = copied.bundle
    fast = bundle.manifest.configurations[-1]
    costs = bundle.costs(fast)
    amend_bundle(
        copied.path, lambda manifest: manifest.configurations, {fast.costs: replace(costs, whole_ms=(0.1, 0.5))}
    )
    report = copied.refresh(stages, epochs=1, min_gain=1.0, max_drop=0.0)
    assert (report.exits_pay, report.whole_ms, report.fastest_whole) == (False, 0.5, f"{fast.engine} {fast.precision}")
    assert b'"exits_pay":false' in copied.bundle.read("report/refresh.json").replace(b" ", b"")
    words = f"! exits do not pay here: expected {report.configurations[0].test.expected_ms:.2f} ms a batch of 16, "
    words += f"the whole network takes 0.50 ms ({report.fastest_whole})"
    assert words in refresh_summary(report)
    assert refreshed.report.exits_pay
    assert refreshed.report.configurations[0].test.expected_ms < refreshed.report.whole_ms == 2.5
    assert "do not pay" not in refresh_summary(refreshed.report)


def test_interrupted_at_work_nothing_changes(copied, stages):
    class Interrupting(type(stages)):
        def stage(self, title: str):
            if title == "record and tune onnxruntime int8":
                raise KeyboardInterrupt
            return super().stage(title)

    refused(copied, KeyboardInterrupt, "^$", Interrupting(), epochs=1, min_gain=0.0)


def test_where_nothing_gains_nothing_is_written(copied, tmp_path):
    before, report = copied.content(), tmp_path / "report.json"
    changes = [
        "--min-gain",
        "100%",
        "--max-drop",
        "100%",
        "--epochs",
        "1",
        "--train-device",
        "cpu",
        "--json",
        str(report),
    ]
    done = CliRunner().invoke(app, ["refresh", str(copied.path), "--data", str(copied.folder / "recent.npz"), *changes])
    assert done.exit_code == 0, done.output
    assert "PASSED | model.ee | no head gains, the thresholds still do: nothing written" in done.output
    assert '"written": false' in report.read_text()
    assert copied.content() == before


def test_where_no_head_gains_thresholds_alone_are_replaced(copied, stages):
    before, old = copied.content(), copied.bundle
    report = copied.refresh(stages, epochs=1, min_gain=1.0, max_drop=0.0)
    assert report.written
    assert report.segments_replaced == ()
    assert report.max_drop == 0.0
    other = {name for name, content in copied.content().items() if content != before.get(name)}
    assert not any(name.endswith((".onnx", ".pt")) for name in other)
    assert any("/policy/" in name for name in other)
    new = open_bundle(copied.path)
    assert new.manifest.source_sha256 == old.manifest.source_sha256
    assert new.policy(new.manifest.chosen).thresholds == report.configurations[0].thresholds
