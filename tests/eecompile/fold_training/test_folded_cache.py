"""The same network is trained once."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from eecompile.checkpoint import build_module, load_checkpoint, save_checkpoint
from eecompile.fold_training import folded_checkpoint
from eecompile.fold_training.folded_cache import folded_folder
from eengines.engine_cache import FileLock
from eengines.errors import UserError

TRAINED = "train the folded network"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "eecompile" / "folded"


def test_a_second_call_does_not_train(model, settings, stages, cache, digits):
    path = folded_checkpoint(model, settings(), stages)
    assert path.parent == cache == folded_folder()
    assert stages.titles.count(TRAINED) == 1
    content = path.read_bytes()
    moved = model.with_name("other.pt")
    moved.write_bytes(model.read_bytes())
    arrays = {**digits, "x_test": digits["x_test"][::-1], "y_test": digits["y_test"][::-1]}
    np.savez(model.with_name("other.npz"), **arrays)
    assert folded_checkpoint(moved, settings(cache_bytes=0), stages) == path
    assert stages.titles.count(TRAINED) == 1
    assert path.read_bytes() == content
    assert [file.name for file in cache.iterdir()] == [path.name]
    assert build_module(load_checkpoint(path), None).factor == 2


def test_other_settings_or_samples_are_another_network(model, settings, stages, digits):
    paths = {folded_checkpoint(model, settings(epochs=1, **change), stages) for change in ({}, {"seed": 1})}
    labels = digits["y_train"].copy()
    labels[0] = (labels[0] + 1) % 10
    np.savez(model.with_suffix(".npz"), **digits | {"y_train": labels})
    paths.add(folded_checkpoint(model, settings(epochs=1), stages))
    assert len(paths) == 3
    assert stages.titles.count(TRAINED) == 3


def test_an_interrupted_training_goes_on(model, settings, stages, breaks, cache):
    with pytest.raises(KeyboardInterrupt):
        folded_checkpoint(model, settings(epochs=4), breaks(0.6))
    assert [file.suffix for file in cache.iterdir()] == [".training"]
    path = folded_checkpoint(model, settings(epochs=4), stages)
    assert len(stages.notes) == 2
    assert load_checkpoint(path).meta["fold"]["epochs"] == 4
    assert [file.name for file in cache.iterdir()] == [path.name]


def test_a_damaged_file_is_trained_again(model, settings, stages):
    path = folded_checkpoint(model, settings(epochs=1), stages)
    path.write_bytes(path.read_bytes()[:1000])
    assert folded_checkpoint(model, settings(epochs=1), stages) == path
    assert "trained again" in stages.warnings[0]
    assert load_checkpoint(path).fold == 2


def test_other_code_of_the_network_is_another_network(model, settings, stages, monkeypatch):
    first = folded_checkpoint(model, settings(epochs=1), stages)
    monkeypatch.setattr("eecompile.zoo.branchy_cnn.functional.relu", lambda x, **_: torch.tanh(x))
    assert folded_checkpoint(model, settings(epochs=1), stages) != first
    assert stages.titles.count(TRAINED) == 2


def test_weights_that_do_not_fit_are_trained_again(model, settings, stages):
    path = folded_checkpoint(model, settings(epochs=1), stages)
    checkpoint = load_checkpoint(path)
    save_checkpoint(path, replace(checkpoint, state_dict=dict(list(checkpoint.state_dict.items())[1:])))
    assert folded_checkpoint(model, settings(epochs=1), stages) == path
    assert "trained again" in stages.warnings[0]


def test_it_waits_while_another_process_trains(model, settings, stages, cache):
    path = folded_checkpoint(model, settings(epochs=1), stages)
    lock = FileLock.take(path.with_suffix(".lock"))
    assert lock is not None
    timer = threading.Timer(0.5, lock.release)
    timer.start()
    assert folded_checkpoint(model, settings(epochs=1), stages) == path
    timer.join()
    assert stages.warnings == ["another process trains the same folded network: waiting for it"]


def test_a_cache_that_cannot_be_made_is_said(model, settings, stages, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot be made"):
        folded_checkpoint(model, settings(epochs=1), stages)
