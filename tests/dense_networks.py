"""A small network with one class a pixel at each of three exits, trained for seconds on made-up scenes."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from eecompile.checkpoint import Checkpoint, save_checkpoint
from eecompile.input_info import InputInfo

SIDE, CLASSES, IGNORED = 12, 3, 255
EXITS = ("early", "middle", "final")
NAMES = ("ground", "bright", "checked")


def draw_scenes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy ground with a bright and a checked rectangle; some scenes are noisier.

    Returns:
        images `[count, 1, 12, 12] uint8`, and labels `[count, 12, 12] uint8` with ignored pixels at the left edge of
        every third scene.
    """
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    images, labels = np.full((count, SIDE, SIDE), 90.0), np.zeros((count, SIDE, SIDE), np.uint8)
    for image, label in zip(images, labels, strict=True):
        for kind in random.permutation([1, 2]):
            top, left = random.integers(0, 8, 2)
            height, width = random.integers(4, 8, 2)
            inside = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
            image[inside] = 170 if kind == 1 else (90 + 80 * ((rows + columns) % 2))[inside]
            label[inside] = kind
    images += random.uniform(5, 45, (count, 1, 1)) * random.standard_normal(images.shape)
    labels[::3, :, :2] = IGNORED
    return np.clip(images, 0, 255).astype(np.uint8)[:, None], labels


class DenseNetwork(nn.Module):
    """Three stages; each exit is a 1 x 1 convolution, resized to the image."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU()),
                nn.Sequential(
                    nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
                    nn.ReLU(),
                    nn.Conv2d(2 * width, 2 * width, 3, padding=1),
                    nn.ReLU(),
                ),
                nn.Sequential(
                    nn.Conv2d(2 * width, 3 * width, 3, padding=1),
                    nn.ReLU(),
                    nn.ConvTranspose2d(3 * width, 2 * width, 2, stride=2),
                    nn.ReLU(),
                ),
            ]
        )
        self.heads = nn.ModuleList(nn.Conv2d(channels, CLASSES, 1) for channels in (width, 2 * width, 2 * width))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map `[batch, 1, 12, 12] float32` to one `[batch, 3, 12, 12]` of logits an exit."""
        answers = []
        for stage, head in zip(self.stages, self.heads, strict=True):
            x = stage(x)
            logits = head(x)
            if logits.shape[-1] != SIDE:
                logits = nn.functional.interpolate(logits, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
            answers.append(logits)
        return tuple(answers)


def make_dense(width: int = 8) -> DenseNetwork:
    """The factory of the checkpoint."""
    return DenseNetwork(width)


@cache
def trained_network() -> DenseNetwork:
    """Train all exits together, on one thread: the layers are too small for more."""
    steps, seed, threads = 250, 3, torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = make_dense()
        images, labels = draw_scenes(512, seed)
        x, y = torch.from_numpy(images).float() / 128 - 1, torch.from_numpy(labels).long()
        optimiser = torch.optim.Adam(network.parameters(), 5e-3)
        for step in range(steps):
            rows = torch.arange(64 * step, 64 * (step + 1)) % len(x)
            losses = [nn.functional.cross_entropy(z, y[rows], ignore_index=IGNORED) for z in network(x[rows])]
            optimiser.zero_grad()
            torch.stack(losses).sum().backward()
            optimiser.step()
    torch.set_num_threads(threads)
    return network.eval()


def save_dense(folder: Path, *, task: str = "segmentation") -> Path:
    """Write `dense.pt` and `dense.npz`; return the path of the former, whose factory is `dense_networks:make_dense`."""
    path = folder / "dense.pt"
    info = InputInfo(
        name="x", shape=(1, SIDE, SIDE), dtype="uint8", layout="NCHW", scale=1 / 128, mean=(1.0,), std=(1.0,)
    )
    checkpoint = Checkpoint(
        arch=None,
        arch_kwargs={},
        state_dict=trained_network().state_dict(),
        exits=EXITS,
        inputs=(info,),
        task=task,
        classes=NAMES,
    )
    save_checkpoint(path, checkpoint)
    (x, y), (calib, _) = draw_scenes(600, 11), draw_scenes(64, 12)
    np.savez(folder / "dense.npz", x_calib=calib, x_test=x, y_test=y)
    return path
