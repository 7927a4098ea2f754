"""`eecompile fold`, as it is typed."""

import dataclasses
import json

import pytest
import torch
import typer
from folded_checkpoints import write_unfolded
from typer.testing import CliRunner

from eecompile.checkpoint import build_module, load_checkpoint
from eecompile.cli.fold_summary import training_text
from eecompile.cli.main import app
from eecompile.fold_training.earlier_training import EarlierTraining, earlier_training
from eecompile.fold_training.report import FoldedExit
from eecompile.fold_training.settings import FoldTrainSettings
from eengines.errors import UserError

SMALL = ("--fold", "2", "--epochs", "4", "--train-device", "cpu", "--train-precision", "float32")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """`model.pt` with training and test samples beside it, in the current folder."""
    write_unfolded(tmp_path, samples=160)
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(threads)


def typed(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["fold", *arguments], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return " ".join(done.stdout.split())


def test_fold_and_what_is_written(folder):
    shown = typed("model.pt", *SMALL, "-o", "folded.pt", "--json", "told.json")
    told = json.loads((folder / "told.json").read_text())
    assert "=== folded.pt from model.pt, folded by 2 (multiple-of-8) ===" in shown
    assert "tune, certify and test were not looked at" in shown
    assert "They were cut from train" in shown
    assert "Next: eecompile build folded.pt --data" in shown
    assert "PASSED | folded.pt" in shown
    checkpoint, before = load_checkpoint(folder / "folded.pt"), load_checkpoint(folder / "model.pt")
    assert (checkpoint.fold, checkpoint.fold_widths) == (2, "multiple-of-8")
    assert (checkpoint.arch, checkpoint.exits, checkpoint.inputs) == (before.arch, before.exits, before.inputs)
    meta = checkpoint.meta["fold"]
    assert meta["settings"]["factor"] == 2
    assert meta["calib"][checkpoint.exits[-1]]["accuracy"] == told["exits"][-1]["accuracy"]
    network = build_module(checkpoint, None)
    assert sum(weight.numel() for weight in network.parameters()) == told["parameters"]
    assert sorted(path.name for path in folder.iterdir()) == ["folded.pt", "model.npz", "model.pt", "told.json"]


def test_without_an_output_it_is_named_after_the_network(folder):
    assert "PASSED | model-fold2.pt" in typed("model.pt", *SMALL)
    with pytest.raises(UserError, match="--output: is the network before folding"):
        typed("model.pt", *SMALL, "-o", "model.pt")


def test_interrupted_it_writes_the_best_so_far_and_goes_on(folder, monkeypatch):
    from eecompile.cli.stages import ConsoleStages

    progress = ConsoleStages.progress

    def stop(self: ConsoleStages, share: float) -> None:
        progress(self, share)
        if self._title.startswith("train") and share > 0.6:
            raise KeyboardInterrupt

    monkeypatch.setattr(ConsoleStages, "progress", stop)
    shown = typed("model.pt", *SMALL, "-o", "folded.pt", code=130)
    assert "INTERRUPTED | folded.pt" in shown
    assert load_checkpoint(folder / "folded.pt").meta["fold"]["interrupted"]
    assert (folder / "folded.pt.training").is_file()
    monkeypatch.setattr(ConsoleStages, "progress", progress)
    assert "PASSED" in typed("model.pt", *SMALL, "-o", "folded.pt", "--resume")
    assert not (folder / "folded.pt.training").exists()
    assert load_checkpoint(folder / "folded.pt").meta["fold"]["epochs"] == 4


def test_interrupted_before_the_first_epoch_ends_it_leaves_the_file_that_was_there(folder, monkeypatch):
    from eecompile.cli.stages import ConsoleStages

    typed("model.pt", *SMALL, "-o", "folded.pt")
    content = (folder / "folded.pt").read_bytes()

    def stop(self: ConsoleStages, _share: float) -> None:
        if self._title.startswith("train"):
            raise KeyboardInterrupt

    monkeypatch.setattr(ConsoleStages, "progress", stop)
    typed("model.pt", *SMALL, "-o", "folded.pt", code=130)
    assert (folder / "folded.pt").read_bytes() == content
    assert not (folder / "folded.pt.training").exists()


def test_a_training_is_not_lost_by_forgetting_resume_nor_by_giving_it_once_more(folder):
    (folder / "folded.pt.training").write_bytes(b"state")
    with pytest.raises(UserError, match=r"--resume: got none, but .*delete folded\.pt\.training to start anew"):
        typed("model.pt", *SMALL, "-o", "folded.pt")
    assert (folder / "folded.pt.training").read_bytes() == b"state"
    (folder / "folded.pt.training").rename(folder / "folded.pt")
    with pytest.raises(UserError, match="no interrupted training beside it"):
        typed("model.pt", *SMALL, "-o", "folded.pt", "--resume")
    assert (folder / "folded.pt").read_bytes() == b"state"


@pytest.mark.parametrize(("accuracy", "said"), [(0.9, False), (0.4, True)])
def test_an_exit_that_loses_much_is_pointed_out(accuracy, said):
    exits = tuple(
        FoldedExit(name=name, accuracy_unfolded=0.93, accuracy=found, agreement=0.9, losses=())
        for name, found in (("early", accuracy), ("final", 0.92))
    )
    training = EarlierTraining(exits=exits, epochs=4, best_epoch=3, apart=False, interrupted=False)
    shown = training_text(training, fold=4, place="folded.pt")
    assert ("! Folding costs much accuracy: early 53.0 points. Try more --fold-epochs" in shown) == said
    assert "which chose epoch 3 of 4" in shown


def test_a_checkpoint_that_says_nothing_of_its_training_has_none(folder):
    typed("model.pt", *SMALL, "-o", "folded.pt")
    assert earlier_training(load_checkpoint(folder / "folded.pt")).epochs == 4
    assert earlier_training(load_checkpoint(folder / "model.pt")) is None


def test_every_setting_has_a_flag_of_its_default():
    renamed = {
        "factor": "fold",
        "widths": "fold_widths",
        "batch": "train_batch",
        "device": "train_device",
        "precision": "train_precision",
        "cache_bytes": "cache_size",
    }
    settings = FoldTrainSettings(factor=4)
    parameters = {p.name: p for p in typer.main.get_command(app).commands["fold"].params}
    found = set()
    for field in dataclasses.fields(settings):
        name = renamed.get(field.name, field.name)
        found.add(name)
        expected = settings.cache_bytes // 2**20 if name == "cache_size" else getattr(settings, field.name)
        default = parameters[name].default
        assert name == "fold" or default == expected or (not default and not expected), name
    assert parameters["fold"].required
    assert found == set(parameters) - {"model", "output", "resume", "json_file", "verbose", "help"}
