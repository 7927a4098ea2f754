"""Small networks folded with weights that were not trained, as checkpoints, and data beside them."""

from pathlib import Path

import numpy as np
import torch

from eecompile.checkpoint import Checkpoint, save_checkpoint
from eecompile.fold import FoldedNetwork, FoldSpec, fold_network
from eecompile.input_info import InputInfo
from eecompile.network_values import network_values
from eecompile.zoo import lookup
from eerun.folding import to_rows

__all__ = ["CLASSES", "EXITS", "IMAGE", "balanced_network", "draw_images", "write_folded", "write_unfolded"]

CLASSES, EXITS = 4, ("early", "middle", "final")
ARGUMENTS = {"channels": [8, 8, 16], "classes": CLASSES, "in_channels": 3}

IMAGE = InputInfo(
    name="x",
    shape=(8, 8, 3),
    dtype="uint8",
    layout="NHWC",
    scale=1 / 255,
    mean=(0.2, 0.5, 0.7),
    std=(0.3, 0.2, 0.4),
)
"""Bytes with channels last, each normalised by its own numbers."""


def draw_images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw images `[count, 8, 8, 3] uint8`, a bright quarter in noise, and which quarter it is `[count] int64`."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, CLASSES, count)
    images = generator.integers(0, 160, (count, *IMAGE.shape))
    for image, label, light in zip(images, labels, generator.integers(20, 95, count), strict=True):
        down, right = 4 * (label // 2), 4 * (label % 2)
        image[down : down + 4, right : right + 4] += light
    return images.astype(np.uint8), labels.astype(np.int64)


def balanced_network(fold: int, widths: str = "multiple-of-8", *, seed: int = 0) -> torch.nn.Module:
    """Return a network, folded if `fold` is above 1, whose exits give every class of every image 0 on average."""
    raw, _ = draw_images(64 * fold, seed=seed + 100)
    seen = network_values(IMAGE, raw)
    rows = torch.from_numpy(seen if fold == 1 else to_rows(seen, fold))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = lookup("branchy_cnn")(**ARGUMENTS)
        if fold > 1:
            network = fold_network(network, FoldSpec(fold, widths), IMAGE.network_shape, where="test")
        for _ in range(10):
            network(rows)
        network.eval()
        body = network.body if isinstance(network, FoldedNetwork) else network
        for head, logits in zip(body.heads, network(rows), strict=True):
            head.linear.bias -= logits.mean(dim=0).reshape(-1)
            spread = logits.std()
            head.linear.weight *= 3 / spread
            head.linear.bias *= 3 / spread
    return network


def write_folded(folder: Path, fold: int, *, widths: str = "multiple-of-8", samples: int = 400) -> Path:
    """Write `folded.pt`, and `folded.npz` with `x` and `y`; return the checkpoint's path."""
    return _write(folder / "folded.pt", fold, widths, samples)


def write_unfolded(folder: Path, *, samples: int = 400) -> Path:
    """Write `model.pt`, and `model.npz` with a training split; return the checkpoint's path."""
    return _write(folder / "model.pt", 1, None, samples)


def _write(path: Path, fold: int, widths: str | None, samples: int) -> Path:
    save_checkpoint(
        path,
        Checkpoint(
            arch="branchy_cnn",
            arch_kwargs=ARGUMENTS,
            state_dict=balanced_network(fold, widths or "multiple-of-8").state_dict(),
            exits=EXITS,
            inputs=(IMAGE,),
            task="classification",
            classes=tuple("abcd"),
            fold=fold,
            fold_widths=widths,
        ),
    )
    x, y = draw_images(samples, seed=1)
    if fold == 1:
        x_train, y_train = draw_images(samples, seed=2)
        np.savez(path.with_suffix(".npz"), x_train=x_train, y_train=y_train, x_test=x, y_test=y)
    else:
        np.savez(path.with_suffix(".npz"), x=x, y=y)
    return path
