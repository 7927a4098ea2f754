"""A small convolutional network for CIFAR-10 with three exits, and its training from nothing."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from eecompile.checkpoint import Checkpoint, InputInfo, save_checkpoint

__all__ = ["EXITS", "WIDTHS", "make_small", "train_small"]

EXITS = ("exit_0", "exit_1", "exit_2")
WIDTHS = (16, 32, 64)
CLASSES = 10
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
BATCH, PEAK_RATE, DECAY = 64, 0.1, 5e-4


class SmallCifar(nn.Module):
    """Three stages of two convolutions 3x3, each on images of half the side; an exit behind each."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        before = (3, *widths[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(*_convolution(inputs, width), *_convolution(width, width), nn.MaxPool2d(2))
            for inputs, width in zip(before, widths, strict=True)
        )
        self.heads = nn.ModuleList(nn.Linear(width, CLASSES) for width in widths)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map images `[batch, 3, 32, 32] float32` to one `[batch, 10]` of logits an exit."""
        logits = []
        for stage, head in zip(self.stages, self.heads, strict=True):
            x = stage(x)
            logits.append(head(x.mean((2, 3))))
        return tuple(logits)


def make_small(widths: Sequence[int] = WIDTHS) -> nn.Module:
    """Make the network with fresh weights; `widths` are those of its stages."""
    return SmallCifar(widths)


def train_small(  # noqa: PLR0913 - a keyword for each choice
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    file: Path,
    *,
    widths: Sequence[int],
    teacher: nn.Module | None,
    epochs: int,
    seed: int,
    tell: Callable[[str], None],
) -> None:
    """Train all exits together from nothing, without augmentation, and write a checkpoint.

    The loss of an exit is its cross-entropy or, with a teacher, half of that and half the mean squared error of its
    logits against the teacher's, as `eecompile fold` has it.

    Args:
        images: `[images, 3, 32, 32]`.
        labels: `[images]`.
        file: the checkpoint.
        widths: of the stages.
        teacher: a network of as many exits, in evaluation mode; None: the labels alone.
        epochs: passes over the images.
        seed: of weights and order.
        tell: takes a line for each epoch.
    """
    torch.manual_seed(seed)
    network, random = make_small(widths), np.random.default_rng(seed)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    steps = len(images) // BATCH
    optimiser = torch.optim.SGD(network.parameters(), lr=PEAK_RATE, momentum=0.9, nesterov=True, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, total_steps=epochs * steps)
    for epoch in range(epochs):
        total = 0.0
        for index in random.permutation(len(images))[: steps * BATCH].reshape(steps, BATCH):
            x = (torch.from_numpy(images[index]).float() / 255 - mean) / std
            loss = _loss(network, teacher, x, torch.from_numpy(labels[index]))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call] # torch has no types for it
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        tell(f"widths {list(widths)}: epoch {epoch + 1} of {epochs}, loss {total / steps:.3f}")
    described = InputInfo(
        name="x", shape=(3, 32, 32), dtype="uint8", layout="NCHW", scale=1 / 255, mean=MEAN, std=STD, range=(0, 255)
    )
    save_checkpoint(
        file,
        Checkpoint(
            arch=None,
            arch_kwargs={"widths": list(widths)},
            state_dict=network.state_dict(),
            exits=EXITS,
            inputs=(described,),
            task="classification",
            classes=None,
        ),
    )


def _loss(network: nn.Module, teacher: nn.Module | None, x: Tensor, y: Tensor) -> Tensor:
    """Mean over the exits."""
    said = network(x)
    losses = torch.stack([functional.cross_entropy(logits, y) for logits in said])
    if teacher is not None:
        with torch.no_grad():
            wanted = teacher(x)
        losses = (losses + torch.stack([functional.mse_loss(*pair) for pair in zip(said, wanted, strict=True)])) / 2
    return losses.mean()


def _convolution(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
