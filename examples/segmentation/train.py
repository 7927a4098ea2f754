"""Train a network that gives each pixel of a scene a class; writes `backbone.pt` and `model.npz` beside this file.

python train.py [--scenes N] [--epochs N] [--seed N]

Scenes are composed of scikit-learn's 1,797 scanned digits: real ink, made-up places. Those of the training scenes and
those of the test scenes are different scans.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from eecompile.checkpoint import Checkpoint, save_checkpoint
from eecompile.input_info import InputInfo
from eecompile.zoo import lookup
from eerun.mean_iou import mean_iou

HERE = Path(__file__).parent

ARCH = "dilated_fcn"
CLASSES = ("ground", *(str(digit) for digit in range(10)))
ARCH_KWARGS = {"channels": [16, 16, 16, 16, 32, 32], "classes": len(CLASSES), "in_channels": 1}
"""Six residual blocks at half the size of the scene; the last two hold 63 % of the arithmetic."""

SIDE = 32
MOST_DIGITS = 4
ENLARGED = 2
"""Scans are 8x8 pixels."""
PLACES = 8
"""Places drawn for a digit; it goes where it covers least of the others."""

INK = 6
"""Grey values of the scans run from 0 to 16. From this one on a pixel is ink; it is ground where it is 0."""
IGNORED = 255
"""Label of the pixels between: the soft edge of a stroke is neither."""

SCALE = 1 / 16
BATCH = 32
PEAK_LEARNING_RATE = 0.01

Bytes = NDArray[np.uint8]
Labels = NDArray[np.int64]


def split_scans(seed: int) -> tuple[tuple[Bytes, Labels], tuple[Bytes, Labels]]:
    """Return half of each class for training scenes, the other half for test scenes: `[n, 8, 8] uint8` and digits."""
    digits = load_digits()
    scans, labels = digits.images.astype(np.uint8), digits.target.astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(labels))
    members = [order[labels[order] == digit] for digit in range(10)]
    train = np.concatenate([rows[: len(rows) // 2] for rows in members])
    test = np.concatenate([rows[len(rows) // 2 :] for rows in members])
    return (scans[train], labels[train]), (scans[test], labels[test])


def draw_scenes(scans: Bytes, digits: Labels, count: int, seed: int) -> tuple[Bytes, Bytes]:
    """Compose scenes of 1 to 4 digits, enlarged to 16x16 pixels; a digit hides what it is drawn over.

    Returns:
        images `[count, 1, 32, 32] uint8`, and labels `[count, 32, 32] uint8`: 0 ground, digit + 1, or 255.
    """
    random = np.random.default_rng(seed)
    images = np.zeros((count, SIDE, SIDE), np.uint8)
    labels = np.zeros((count, SIDE, SIDE), np.uint8)
    for image, label in zip(images, labels, strict=True):
        for index in random.integers(0, len(scans), random.integers(1, MOST_DIGITS + 1)):
            scan = scans[index].repeat(ENLARGED, 0).repeat(ENLARGED, 1)
            corners = random.integers(0, SIDE - len(scan) + 1, (PLACES, 2))
            places = [(slice(y, y + len(scan)), slice(x, x + len(scan))) for y, x in corners]
            place = min(places, key=lambda p: np.count_nonzero((scan > 0) & (image[p] > 0)))
            drawn = scan > 0
            image[place][drawn] = scan[drawn]
            label[place][drawn] = np.where(scan >= INK, digits[index] + 1, IGNORED)[drawn]
    return images[:, None], labels


def as_network_input(images: Bytes) -> Tensor:
    """Return what the network sees of raw images: float32 from 0 to 1."""
    return torch.from_numpy(images).float() * SCALE


def train(model: nn.Module, images: Bytes, labels: Bytes, *, epochs: int, seed: int) -> None:
    """Train with the mean cross entropy of the pixels that count."""
    x, y = as_network_input(images), torch.from_numpy(labels).long()
    order = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_LEARNING_RATE, epochs * -(-len(x) // BATCH))
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for index in torch.randperm(len(x), generator=order).split(BATCH):
            loss = functional.cross_entropy(model(x[index]), y[index], ignore_index=IGNORED)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(index)
        print(f"epoch {epoch + 1}/{epochs}: loss {total / len(x):.3f}", flush=True)


@torch.no_grad()
def answers(model: nn.Module, images: Bytes) -> Labels:
    """Return the class of every pixel, `[n, 32, 32]`."""
    model.eval()
    maps: Labels = torch.cat([model(part).argmax(1) for part in as_network_input(images).split(256)]).numpy()
    return maps


def save(model: nn.Module, meta: dict[str, object], arrays: dict[str, Bytes]) -> None:
    """Write the checkpoint and the data."""
    checkpoint = Checkpoint(
        arch=ARCH,
        arch_kwargs=ARCH_KWARGS,
        state_dict=model.state_dict(),
        exits=("final",),
        inputs=(InputInfo(name="x", shape=(1, SIDE, SIDE), dtype="uint8", layout="NCHW", scale=SCALE, range=(0, 16)),),
        task="segmentation",
        classes=CLASSES,
        meta=meta,
    )
    save_checkpoint(HERE / "backbone.pt", checkpoint)
    np.savez_compressed(HERE / "model.npz", classes=np.array(CLASSES), **arrays)  # type: ignore[arg-type]  # numpy types the flag only
    print("wrote backbone.pt and model.npz")


def main() -> None:
    """Draw scenes, train, print how good the maps are, and write the checkpoint and the data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--scenes", type=int, default=2000, help="training scenes; half as many for tests (default: 2000)"
    )
    parser.add_argument("--epochs", type=int, default=12, help="passes over the training scenes (default: 12)")
    parser.add_argument("--seed", type=int, default=0, help="seed of scans, scenes, weights and order (default: 0)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # layers are so small that threads would wait for each other
    torch.manual_seed(arguments.seed)
    torch.use_deterministic_algorithms(True)
    train_scans, test_scans = split_scans(arguments.seed)
    x_train, y_train = draw_scenes(*train_scans, arguments.scenes, arguments.seed)
    x_test, y_test = draw_scenes(*test_scans, arguments.scenes // 2, arguments.seed + 1)
    model = lookup(ARCH)(**ARCH_KWARGS)
    train(model, x_train, y_train, epochs=arguments.epochs, seed=arguments.seed)
    maps, counted = answers(model, x_test), y_test != IGNORED
    accuracy = float((maps == y_test)[counted].mean())
    overlap = mean_iou(maps, y_test, classes=len(CLASSES), ignored=IGNORED)
    print(f"test scenes: {accuracy:.1%} of the pixels right, mean IoU {overlap:.1%}")
    print(f"all ground would be {(y_test[counted] == 0).mean():.1%} of the pixels")
    meta = {"data": "scenes of scikit-learn load_digits", "pixel_accuracy": accuracy, "mean_iou": overlap}
    save(model, meta, {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test})


if __name__ == "__main__":
    main()
