"""What is folded and trained on, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from eecompile.checkpoint import save_checkpoint
from eecompile.fold import FoldSpec, fold_network
from eecompile.fold_training.fold_data import fold_data
from eecompile.fold_training.teacher import load_teacher
from eengines.errors import DataError, EEError, IngestError, UserError


def test_a_teacher_is_frozen_and_answers_every_exit(teacher):
    assert teacher.exits == ("early", "final")
    assert (teacher.shape, teacher.classes) == ((1, 8, 8), 10)
    assert not teacher.network.training
    assert not any(weight.requires_grad for weight in teacher.network.parameters())
    assert teacher.logits(torch.zeros(3, 1, 8, 8)).shape == (3, 2, 10)


def test_a_folded_checkpoint_is_refused(unfolded, teacher, tmp_path):
    network = fold_network(teacher.network, FoldSpec(2), teacher.shape, where="test")
    save_checkpoint(
        tmp_path / "f.pt", replace(unfolded, state_dict=network.state_dict(), fold=2, fold_widths="multiple-of-8")
    )
    with pytest.raises(UserError, match="is folded by 2: it would be folded twice"):
        load_teacher(tmp_path / "f.pt", None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "segmentation"}, "task is segmentation, expected classification"),
        ({"inputs": 2}, "expected one float32 image"),
        ({"sequence": 0}, "expected one float32 image"),
    ],
)
def test_other_networks_are_refused(unfolded, tmp_path, change, message):
    image = unfolded.inputs[0]
    if "inputs" in change:
        change = {"inputs": (image, replace(image, name="other"))}
    if "sequence" in change:
        change = {"inputs": (replace(image, shape=(8,), layout=None, sequence=0),)}
    save_checkpoint(tmp_path / "other.pt", replace(unfolded, **change))
    with pytest.raises(IngestError, match=message):
        load_teacher(tmp_path / "other.pt", None)


def test_other_files_are_refused(teacher, tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"")
    with pytest.raises(IngestError, match=r"is an ONNX graph, .*give a checkpoint"):
        load_teacher(tmp_path / "net.onnx", None)
    torch.save(teacher.network, tmp_path / "pickled.pt")
    with pytest.raises(IngestError, match=r"is a pickled module, .*give a checkpoint"):
        load_teacher(tmp_path / "pickled.pt", None)
    (tmp_path / "net.ee").mkdir()
    with pytest.raises(IngestError, match="is a folder"):
        load_teacher(tmp_path / "net.ee", None)
    with pytest.raises(IngestError, match="no such file"):
        load_teacher(tmp_path / "missing.pt", None)


def test_without_training_samples_the_error_says_what_to_run(model, settings, teacher, digits):
    inputs = teacher.checkpoint.inputs
    np.savez(model.with_suffix(".npz"), x=digits["x_test"], y=digits["y_test"])
    command = rf"eecompile fold {model} --fold 2 --data FILE\.npz"
    with pytest.raises(DataError, match=f"has no split 'train' .*x_train.*{command}"):
        fold_data(model, settings(), inputs)
    model.with_suffix(".npz").unlink()
    with pytest.raises(UserError, match=f"no data to train the folded network with.*{command}"):
        fold_data(model, settings(), inputs)


def test_only_train_and_calib_are_read(model, settings, teacher, digits):
    data = fold_data(model, settings(), teacher.checkpoint.inputs)
    assert not data.cut_from_train
    assert np.array_equal(data.train.inputs["x"], digits["x_train"])
    assert np.array_equal(data.calib.labels, digits["y_calib"])
    without = {name: array for name, array in digits.items() if "calib" not in name}
    np.savez(model.with_suffix(".npz"), **without)
    cut = fold_data(model, settings(), teacher.checkpoint.inputs)
    assert cut.cut_from_train
    assert len(cut.train) + len(cut.calib) == len(digits["x_train"])


def test_too_few_samples_are_refused(model, settings, teacher, digits):
    np.savez(model.with_suffix(".npz"), **digits | {"x_train": digits["x_train"][:3], "y_train": digits["y_train"][:3]})
    with pytest.raises(DataError, match="'train' has 3 samples, expected 4 or more"):
        fold_data(model, settings(), teacher.checkpoint.inputs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"factor": 1}, "expected 2 to"),
        ({"widths": "wide"}, "expected multiple-of-8 or exact"),
        ({"batch": 3}, "--train-batch: got 3 images, expected 4 or more"),
        ({"distillation": "l1"}, "--distillation: got 'l1'"),
        ({"separate": 1.5}, "--separate: got 1.5"),
        ({"curriculum_epochs": 2}, "without --curriculum"),
        ({"curriculum": True, "curriculum_epochs": 0}, "--curriculum-epochs: got 0"),
        ({"epochs": 0}, "--epochs: got 0"),
        ({"loss_weights": "none"}, "--loss-weights: got 'none'"),
        ({"alpha": 2.0}, "--alpha: got 2.0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, change, message):
    with pytest.raises(EEError, match=message):
        settings(**change)


def test_few_images_make_more_epochs(settings):
    assert settings(epochs=None, factor=4, batch=32).epochs_for(717) == 27
    assert settings(epochs=None, factor=4, batch=32).epochs_for(50_000) == 20
    assert settings(epochs=5).epochs_for(717) == 5
