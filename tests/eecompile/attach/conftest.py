"""Watched trunks, and a plain network that was trained on scikit-learn's digits."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from tapped_networks import DigitNet
from torch import nn
from torch.nn import functional

from eecompile.attach.watch import Watched, watch
from eecompile.checkpoint import Checkpoint, InputInfo, save_checkpoint

TRAINING = 900


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """For networks so small that threads wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="package")
def images() -> tuple[torch.Tensor, ...]:
    return (torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)),)


@pytest.fixture
def watched(images) -> Callable[[nn.Module], Watched]:
    """Watch a network on three images, or on what is given."""
    return lambda network, *arguments: watch(network, arguments or images)


@pytest.fixture(scope="package")
def digits() -> dict[str, np.ndarray]:
    """Images and labels by split."""
    found = load_digits()
    x, y = found.images.astype(np.uint8)[:, None], found.target.astype(np.int64)
    return {"x_train": x[:TRAINING], "y_train": y[:TRAINING], "x_test": x[TRAINING:], "y_test": y[TRAINING:]}


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory, digits) -> Path:
    """`backbone.pt`, trained for a few epochs, with its data; and its weights alone."""
    folder = tmp_path_factory.mktemp("attach")
    np.savez(folder / "backbone.npz", **digits)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = DigitNet(8)
        x, y = torch.from_numpy(digits["x_train"]).float() / 16, torch.from_numpy(digits["y_train"])
        optimiser = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
        for index in [index for _ in range(4) for index in torch.randperm(len(x)).split(50)]:
            optimiser.zero_grad()
            functional.cross_entropy(network(x[index]), y[index]).backward()
            optimiser.step()
    checkpoint = Checkpoint(
        arch=None,
        arch_kwargs={"width": 8},
        state_dict=network.state_dict(),
        exits=("final",),
        inputs=(InputInfo(name="x", shape=(1, 8, 8), dtype="uint8", layout="NCHW", scale=1 / 16, range=(0, 16)),),
        task="classification",
        classes=tuple("0123456789"),
    )
    save_checkpoint(folder / "backbone.pt", checkpoint)
    torch.save(network.state_dict(), folder / "weights.pt")
    return folder
