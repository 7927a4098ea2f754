"""A small network for digits with two kinds of heads behind each block, trained once."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from silent_stages import SilentStages
from sklearn.datasets import load_digits
from tapped_networks import DigitNet
from torch.nn import functional

from eecompile.attach.attach import attach
from eecompile.attach.settings import AttachSettings
from eecompile.checkpoint import Checkpoint, InputInfo, save_checkpoint
from eecompile.train.settings import TrainSettings

FACTORY = "tapped_networks:DigitNet"
TRAINING = 900


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A checkpoint with heads `linear` and `pool` at three taps, and its data beside it under its name."""

    model: Path
    factory: str = FACTORY


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """For networks so small that threads wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="package")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("compose")
    found = load_digits()
    x, y = found.images.astype(np.uint8)[:, None], found.target.astype(np.int64)
    data = {"x_train": x[:TRAINING], "y_train": y[:TRAINING], "x_test": x[TRAINING:], "y_test": y[TRAINING:]}
    np.savez(folder / "model.npz", **data)
    backbone, model = folder / "backbone.pt", folder / "model.pt"
    save_checkpoint(backbone, _backbone(torch.from_numpy(data["x_train"]), torch.from_numpy(data["y_train"])))
    train = TrainSettings(epochs=4, batch=64)
    settings = AttachSettings(
        output=model, heads="linear,pool(32,16)", data=str(folder / "model.npz"), factory=FACTORY, train=train
    )
    attach(str(backbone), settings, SilentStages())
    return Trained(model=model)


def _backbone(x: torch.Tensor, y: torch.Tensor) -> Checkpoint:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = DigitNet(8)
        optimiser = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
        for index in [index for _ in range(4) for index in torch.randperm(len(x)).split(50)]:
            optimiser.zero_grad()
            functional.cross_entropy(network(x[index].float() / 16), y[index]).backward()
            optimiser.step()
    return Checkpoint(
        arch=None,
        arch_kwargs={"width": 8},
        state_dict=network.state_dict(),
        exits=("final",),
        inputs=(InputInfo(name="x", shape=(1, 8, 8), dtype="uint8", layout="NCHW", scale=1 / 16, range=(0, 16)),),
        task="classification",
        classes=tuple("0123456789"),
    )
