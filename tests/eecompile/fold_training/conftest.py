"""A tiny trained network on real digit scans, which is folded by two."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional

from eecompile.checkpoint import Checkpoint, InputInfo, save_checkpoint
from eecompile.fold_training.fold_data import FoldData, fold_data
from eecompile.fold_training.settings import FoldTrainSettings
from eecompile.fold_training.teacher import Teacher, load_teacher
from eecompile.fold_training.train_folded import TrainedFold, train_folded
from eecompile.zoo import lookup

EXITS = ("early", "final")
ARGUMENTS = {"channels": [8, 8], "classes": 10, "in_channels": 1}
IMAGE = InputInfo(name="x", shape=(1, 8, 8), dtype="uint8", layout="NCHW", scale=1 / 16)
TRAIN, TEST = 301, 120
"""An odd number of training images: one is left over in every epoch."""


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """One thread is enough for tiny networks, and sums do not depend on the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits() -> dict[str, np.ndarray]:
    """The arrays of a data file."""
    scans = load_digits()
    images, labels = scans.images.astype(np.uint8)[:, None], scans.target.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(images))
    first, calib, second = order[:TRAIN], order[TRAIN : TRAIN + TEST], order[-TEST:]
    return {
        "x_train": images[first],
        "y_train": labels[first],
        "x_calib": images[calib],
        "y_calib": labels[calib],
        "x_test": images[second],
        "y_test": labels[second],
    }


@pytest.fixture(scope="session")
def weights(digits) -> dict[str, Tensor]:
    """The unfolded network after a few epochs."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network, order = lookup("branchy_cnn")(**ARGUMENTS).train(), torch.Generator().manual_seed(0)
        x, y = torch.from_numpy(digits["x_train"]).float() / 16, torch.from_numpy(digits["y_train"])
        optimiser = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, nesterov=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, 150)
        for _ in range(15):
            for index in torch.randperm(len(x), generator=order).split(32):
                optimiser.zero_grad()
                torch.stack(
                    [functional.cross_entropy(logits, y[index]) for logits in network(x[index])]
                ).sum().backward()
                optimiser.step()
                schedule.step()
    return network.state_dict()


@pytest.fixture(scope="session")
def unfolded(weights) -> Checkpoint:
    """Its checkpoint."""
    return Checkpoint(
        arch="branchy_cnn",
        arch_kwargs=ARGUMENTS,
        state_dict=weights,
        exits=EXITS,
        inputs=(IMAGE,),
        task="classification",
        classes=tuple("0123456789"),
        meta={"by": "the test"},
    )


@pytest.fixture
def model(unfolded, digits, tmp_path) -> Path:
    """`model.pt` with `model.npz` beside it."""
    save_checkpoint(tmp_path / "model.pt", unfolded)
    np.savez(tmp_path / "model.npz", **digits)
    return tmp_path / "model.pt"


@pytest.fixture
def settings() -> Callable[..., FoldTrainSettings]:
    """Small settings: `(epochs=..., ...)`."""
    usual = {"factor": 2, "epochs": 3, "batch": 64, "device": "cpu", "precision": "float32"}
    return lambda **given: FoldTrainSettings(**usual | given)


@pytest.fixture
def teacher(model) -> Teacher:
    """The network before folding."""
    return load_teacher(model, None)


@pytest.fixture
def data(model, teacher, settings) -> FoldData:
    """What it is trained on."""
    return fold_data(model, settings(), teacher.checkpoint.inputs)


@pytest.fixture
def train(teacher, data, settings, stages, tmp_path) -> Callable[..., TrainedFold]:
    """Train: `(epochs=3, stages=..., state=..., resume=..., data=..., ...)`."""

    def run(**given: Any) -> TrainedFold:
        shown, samples = given.pop("stages", stages), given.pop("data", data)
        state, resume = given.pop("state", tmp_path / "state"), given.pop("resume", False)
        return train_folded(teacher, samples, settings(**given), shown, state=state, resume=resume)

    return run


@pytest.fixture
def breaks(stages):
    """Stages that press Ctrl-C when a share of the training is done."""

    def make(share: float):
        class Breaking(type(stages)):
            def progress(self, done: float) -> None:
                super().progress(done)
                if self.titles[-1] == "train the folded network" and done > share:
                    raise KeyboardInterrupt

        return Breaking()

    return make
