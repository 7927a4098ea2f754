"""`eecompile build --fold`: train once, build the folded and the unfolded network, and say what it brings."""

import json
import re

import numpy as np
import pytest
from folded_checkpoints import write_folded, write_unfolded
from silent_stages import SilentStages
from typer.testing import CliRunner

import eerun
from eecompile.build import BuildSettings
from eecompile.build.fold_model import fold_model
from eecompile.build.fold_settings import FoldSettings
from eecompile.cli.main import app
from eecompile.refresh.source_model import load_source
from eengines.errors import DataError, UserError
from eerun.bench import BenchSettings, run_bench
from eerun.bundle import open_bundle

FLAGS = (
    *("--threads", "2", "--max-batch", "8", "--buckets", "2,8", "--measure-seconds", "0", "--engine", "onnxruntime"),
    *("--precision", "float32", "--max-drop", "50%"),
)


@pytest.fixture
def typed(monkeypatch, tmp_path):
    """Run `eecompile build`; what is trained is kept in a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(model, *arguments: str):
        given = ["build", str(model), *FLAGS, *arguments]
        return CliRunner().invoke(app, given, catch_exceptions=False)

    return run


def test_both_networks_are_built_and_compared(typed, tmp_path):
    model = write_unfolded(tmp_path, samples=120)
    folding = ("--fold", "2", "--fold-epochs", "1", "--fold-exit", "first")
    done = typed(model, *folding, "--json", str(tmp_path / "summary.json"))
    assert done.exit_code == 0, done.output
    shown = " ".join(done.stdout.split())
    assert "=== model.ee from model.pt, folded by 2 ===" in shown
    assert "=== model-unfolded.ee from model.pt ===" in shown
    assert re.search(r"Folding is faster here|Folding does not pay here", shown)
    assert "measured one after the other" in shown
    folded, unfolded = (open_bundle(tmp_path / name).manifest for name in ("model.ee", "model-unfolded.ee"))
    assert (folded.fold.factor, unfolded.fold) == (2, None)
    assert folded.splits == unfolded.splits
    assert folded.source == unfolded.source == "model.pt"
    assert folded.fold.unfolded_sha256 == unfolded.source_sha256 != folded.source_sha256
    _check_who_needs_the_folded_checkpoint(tmp_path)
    with np.load(tmp_path / "model.npz") as data:
        result = eerun.load(tmp_path / "model.ee", threads=2).infer(data["x_test"][:7])
    assert len(result.labels) == 7
    summary = json.loads((tmp_path / "summary.json").read_text())
    figures = summary["folding"]
    assert figures["fold"] == summary["fold"] == 2
    assert figures["folded_chain"] == summary["test"]["accuracy"]
    assert figures["folded_ms"] == pytest.approx(summary["test"]["expected_ms"] / 8)
    kept = list((tmp_path / "cache").rglob("*.pt"))
    assert len(kept) == 1
    written = kept[0].stat().st_mtime_ns
    again = FoldSettings(fold=2, fold_epochs=1, unfolded=False)
    made = fold_model(model, BuildSettings(output=tmp_path / "again.ee"), again, SilentStages())
    assert (made.model, made.settings.output, made.unfolded) == (kept[0], tmp_path / "again.ee", None)
    assert kept[0].stat().st_mtime_ns == written


def _check_who_needs_the_folded_checkpoint(folder):
    """A rival in torch and a refresh say that the network before folding is not what they need."""
    rival = BenchSettings(bundle=folder / "model.ee", against="torch", threads=2)
    with pytest.raises(UserError, match=r"--model: .*model\.pt is not.* `eecompile fold model\.pt --fold 2 -o FOLDED"):
        run_bench(rival, lambda _: None)
    with pytest.raises(UserError, match=r"model\.ee: is folded by 2: heads are refreshed image by image"):
        load_source(open_bundle(folder / "model.ee"), None, None, SilentStages())


def test_flags_are_those_of_build(typed, tmp_path):
    model, fold = write_unfolded(tmp_path, samples=60), ("--fold", "2")
    for arguments, message in (
        (("--curriculum", "--fold-epochs", "1"), r"--curriculum: .*\. Give more --fold-epochs"),
        (("--fold-epochs", "0"), "--fold-epochs: got 0, expected 1 or more"),
        (("--fold-augmentation", "zoom"), "--fold-augmentation: got 'zoom'"),
        (("--distillation", "l1"), "--distillation: got 'l1'"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            typed(model, *fold, *arguments)
        assert not re.search(r"--epochs|--augmentation|--train-batch", str(caught.value))
    assert not list((tmp_path / "cache").rglob("*.pt"))


@pytest.mark.parametrize("factor", [17, 64])
def test_a_large_factor_has_a_batch_of_two_rows(factor):
    assert FoldSettings(fold=factor).training(data=None, factory=None, seed=0).rows >= 2


def test_a_checkpoint_that_is_folded_already_is_built_as_it_is(typed, tmp_path):
    model = write_folded(tmp_path, 2, samples=60)
    done = typed(model, "--fold", "2", "--agreement")
    assert done.exit_code == 0, done.output
    assert open_bundle(tmp_path / "folded.ee").manifest.fold.factor == 2
    assert not (tmp_path / "folded-unfolded.ee").exists()
    with pytest.raises(UserError, match=r"--fold: got 4, but .*folded.pt is folded by 2 already"):
        typed(model, "--fold", "4")
    with pytest.raises(UserError, match=r"--fold-widths: got exact, but .* was folded with multiple-of-8"):
        typed(model, "--fold", "2", "--fold-widths", "exact")


def test_what_has_no_weights_to_train_is_refused(typed, tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"")
    with pytest.raises(UserError, match="which is an ONNX graph; folding makes new weights"):
        typed(tmp_path / "net.onnx", "--fold", "2")


def test_without_a_training_split_nothing_is_built(typed, tmp_path):
    model = write_unfolded(tmp_path, samples=60)
    with np.load(tmp_path / "model.npz") as data:
        arrays = {"x": data["x_test"], "y": data["y_test"]}
    np.savez(tmp_path / "model.npz", **arrays)
    with pytest.raises(DataError, match="train"):
        typed(model, "--fold", "2")
    assert not (tmp_path / "model.ee").exists()


def test_buckets_that_are_no_groups_are_refused_before_training(typed, tmp_path):
    with pytest.raises(UserError, match="--buckets: got 2,8 for a network folded by 4"):
        typed(write_unfolded(tmp_path, samples=60), "--fold", "4")
    assert not (tmp_path / "cache").exists()


def test_heads_apart_are_refused_before_training(typed, tmp_path):
    with pytest.raises(UserError, match="--split-heads: got it together with --fold"):
        typed(write_unfolded(tmp_path, samples=60), "--fold", "2", "--split-heads")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unfolded": False}, "--no-unfolded: got it without --fold"),
        ({"fold_epochs": 3}, "--fold-epochs: got it without --fold"),
        ({"fold_widths": "exact"}, "--fold-widths: got it without --fold"),
        ({"fold": 1}, "--fold: is 1, expected 2 to"),
        ({"fold": 4, "fold_widths": "wide"}, "--fold-widths: is 'wide', expected multiple-of-8 or exact"),
    ],
)
def test_settings_that_do_not_fit(changes, message):
    with pytest.raises(UserError, match=message):
        FoldSettings(**changes)


def test_training_has_the_data_and_the_seed_of_the_build():
    training = FoldSettings(fold=3, fold_epochs=7, curriculum=True).training(data="d.npz", factory="a:b", seed=5)
    assert (training.factor, training.widths, training.epochs) == (3, "multiple-of-8", 7)
    assert (training.data, training.factory, training.seed, training.curriculum) == ("d.npz", "a:b", 5, True)
