"""A small network with three exits, trained on the digits of the example: what most of the suite builds and runs."""

import runpy
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from eecompile.checkpoint import Checkpoint, InputInfo, save_checkpoint
from eecompile.zoo import lookup

__all__ = ["write_three_exit_digits"]

ROOT = Path(__file__).resolve().parents[1]
SEED = 0
EPOCHS = 5
BATCH = 32
FIRST_LEARNING_RATE, PEAK_LEARNING_RATE = 0.003, 0.03
SCALE = 1 / 16

ARCH_KWARGS = {"channels": [16, 40, 144], "classes": 10, "in_channels": 1}
"""The third stage holds nearly all of the arithmetic."""

EXITS = ("exit_0", "exit_1", "exit_2")
LOSS_WEIGHTS = (1.0, 0.3, 1.0)
"""The first exit is the weakest and learns slowest; with a small weight it would hardly learn in a few epochs."""


def write_three_exit_digits(folder: Path) -> None:
    """Train the network and write `model.pt` and `model.npz`; torch's generator and threads are left as they were."""
    split_digits = runpy.run_path(str(ROOT / "examples" / "digits" / "train.py"))["split_digits"]
    x_train, y_train, x_test, y_test = split_digits(SEED)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        module = lookup("branchy_cnn")(**ARCH_KWARGS)
        _train(module, x_train, y_train)
    torch.set_num_threads(threads)
    checkpoint = Checkpoint(
        arch="branchy_cnn",
        arch_kwargs=ARCH_KWARGS,
        state_dict=module.state_dict(),
        exits=EXITS,
        inputs=(InputInfo(name="x", shape=(1, 8, 8), dtype="uint8", layout="NCHW", scale=SCALE, range=(0, 16)),),
        task="classification",
        classes=tuple("0123456789"),
    )
    save_checkpoint(folder / "model.pt", checkpoint)
    np.savez_compressed(
        folder / "model.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test, classes=[*"0123456789"]
    )


def _train(module: nn.Module, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
    """Train all exits together: the loss is the weighted sum of every exit's cross entropy."""
    x, y = torch.from_numpy(images).float() * SCALE, torch.from_numpy(labels)
    order = torch.Generator().manual_seed(SEED)
    optimiser = torch.optim.SGD(
        module.parameters(), lr=FIRST_LEARNING_RATE, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_LEARNING_RATE, EPOCHS * -(-len(x) // BATCH))
    module.train()
    for _ in range(EPOCHS):
        for index in torch.randperm(len(x), generator=order).split(BATCH):
            losses = [functional.cross_entropy(logits, y[index]) for logits in module(x[index])]
            optimiser.zero_grad()
            torch.stack([weight * one for weight, one in zip(LOSS_WEIGHTS, losses, strict=True)]).sum().backward()
            optimiser.step()
            schedule.step()
    module.eval()
