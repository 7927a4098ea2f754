"""Train a small network without exits on 1,797 scanned digits; writes `backbone.pt` and `model.npz` beside this file.

python train.py [--epochs N] [--seed N]
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from eecompile.checkpoint import Checkpoint, InputInfo, save_checkpoint
from eecompile.zoo import lookup

HERE = Path(__file__).parent

ARCH = "residual_cnn"
ARCH_KWARGS = {"channels": [8, 16, 32, 64, 112], "classes": 10, "in_channels": 1}
"""Five residual blocks; the last holds most of the arithmetic."""

SCALE = 1 / 16
"""Grey values of the scans run from 0 to 16."""

BATCH = 32
FIRST_LEARNING_RATE = 0.01
PEAK_LEARNING_RATE = 0.1

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


def split_digits(seed: int) -> tuple[Images, Labels, Images, Labels]:
    """Return half of each class for training and the other half for testing: images `[n, 1, 8, 8] uint8`, labels."""
    digits = load_digits()
    images = digits.images.astype(np.uint8)[:, None]
    labels = digits.target.astype(np.int64)
    generator = np.random.default_rng(seed)
    train: list[NDArray[np.int64]] = []
    test: list[NDArray[np.int64]] = []
    for label in range(10):
        members = generator.permutation(np.flatnonzero(labels == label))
        half = len(members) // 2
        train.append(members[:half])
        test.append(members[half:])
    first, second = (generator.permutation(np.concatenate(part)) for part in (train, test))
    return images[first], labels[first], images[second], labels[second]


def as_network_input(images: Images) -> Tensor:
    """Return what the network sees of raw images: float32 from 0 to 1."""
    return torch.from_numpy(images).float() * SCALE


def train(model: nn.Module, images: Images, labels: Labels, *, epochs: int, seed: int) -> None:
    """Train by cross entropy."""
    x, y = as_network_input(images), torch.from_numpy(labels)
    order = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.SGD(
        model.parameters(), lr=FIRST_LEARNING_RATE, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    batches = -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_LEARNING_RATE, epochs * batches)
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for index in torch.randperm(len(x), generator=order).split(BATCH):
            loss = functional.cross_entropy(model(x[index]), y[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(index)
        print(f"epoch {epoch + 1}/{epochs}: loss {total / len(x):.3f}", flush=True)


@torch.no_grad()
def accuracy(model: nn.Module, images: Images, labels: Labels) -> float:
    """Return the share of right answers."""
    answers = model.eval()(as_network_input(images)).argmax(1)
    return float((answers == torch.from_numpy(labels)).float().mean())


def main() -> None:
    """Train, print the accuracy, and write the checkpoint and the data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=6, help="passes over the training images (default: 6)")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the weights, the order and the halves (default: 0)"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # images are so small that threads would wait for each other
    torch.manual_seed(arguments.seed)
    torch.use_deterministic_algorithms(True)
    x_train, y_train, x_test, y_test = split_digits(arguments.seed)
    model = lookup(ARCH)(**ARCH_KWARGS)
    train(model, x_train, y_train, epochs=arguments.epochs, seed=arguments.seed)
    reached = accuracy(model, x_test, y_test)
    print(f"{reached:.1%} of the test digits right")
    classes = tuple(str(digit) for digit in range(10))
    checkpoint = Checkpoint(
        arch=ARCH,
        arch_kwargs=ARCH_KWARGS,
        state_dict=model.state_dict(),
        exits=("final",),
        inputs=(InputInfo(name="x", shape=(1, 8, 8), dtype="uint8", layout="NCHW", scale=SCALE, range=(0, 16)),),
        task="classification",
        classes=classes,
        meta={"data": "scikit-learn load_digits", "epochs": arguments.epochs, "accuracy": reached},
    )
    save_checkpoint(HERE / "backbone.pt", checkpoint)
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test, "classes": np.array(classes)}
    np.savez_compressed(HERE / "model.npz", **arrays)  # type: ignore[arg-type]  # numpy types the flag only
    print("wrote backbone.pt and model.npz")


if __name__ == "__main__":
    main()
