"""Text with several inputs, and dense answers."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from eecompile.attach.attached import Attached
from eecompile.attach.attachment import AttachedHead, Attachment
from eecompile.heads.base import Tap
from eecompile.input_info import InputInfo
from eecompile.train.settings import TrainSettings
from eecompile.train.train_heads import train_heads
from eengines.errors import DataError, UserError
from eerun.data import Samples

SETTINGS = {"epochs": 4, "batch": 32, "precision": "float32", "device": "cpu"}


def attached_to(trunk: nn.Module, tap: Tap, head: nn.Module, output: tuple[int, ...]) -> Attached:
    placed = AttachedHead(name=f"{tap.name}-own", tap=tap.name, kind="own")
    return Attached(trunk, [head], Attachment(taps=(tap,), heads=(placed,), chosen=(placed.name,), output=output))


class Reader(nn.Module):
    """Words and a mask: the mean of the embedded words, then a layer; the answer is which half of the words is more."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.layer = nn.Linear(6, 6)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        tokens = self.layer(self.words(words) * mask[..., None].float())
        return tokens.sum(1)[:, :2]


def test_text(stages):
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        trunk, head = Reader(), nn.Sequential(nn.Flatten(), nn.Linear(12 * 6, 2))
    random = np.random.default_rng(0)
    words = random.integers(0, 20, (300, 12))
    mask = (np.arange(12) < random.integers(4, 13, (300, 1))).astype(np.int64)
    samples = Samples(inputs={"words": words, "mask": mask}, labels=None)
    inputs = [InputInfo(name=name, shape=(12,), dtype="int64") for name in ("words", "mask")]
    attached = attached_to(trunk, Tap(name="words", shape=(12, 6), macs=1), head, (2,))
    report = train_heads(attached, inputs, samples, TrainSettings(**SETTINGS), stages)
    assert report.heads[0].agreement > 0.7
    with pytest.raises(DataError, match="lacks input 'mask'"):
        train_heads(attached, inputs, Samples(inputs={"words": words}, labels=None), TrainSettings(**SETTINGS), stages)
    with pytest.raises(UserError, match="expected one image"):
        train_heads(attached, inputs, samples, TrainSettings(**SETTINGS, augmentation="crop-flip"), stages)


class Painter(nn.Module):
    """One of three classes for each pixel, by its brightness."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.first(x)))


@pytest.fixture
def scenes():
    images = np.random.default_rng(0).integers(0, 256, (120, 1, 6, 6)).astype(np.uint8)
    labels = images[:, 0] // 86  # bytes, as maps in a file are
    labels[:, 0] = 255
    return Samples(inputs={"x": images}, labels=labels)


@pytest.fixture
def painter():
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        tap = Tap(name="first", shape=(8, 6, 6), macs=1)
        return attached_to(Painter(), tap, nn.Conv2d(8, 3, 1), (3, 6, 6))


PIXELS = InputInfo(name="x", shape=(1, 6, 6), dtype="uint8", layout="NCHW", scale=1 / 255)


@pytest.mark.parametrize(
    "choice", [{}, {"target": "labels", "learning_rate": 0.3}, {"mode": "joint", "learning_rate": 0.3}], ids=str
)
def test_dense_answers(painter, scenes, choice, stages):
    settings = TrainSettings(**SETTINGS | {"epochs": 8, "batch": 8, "augmentation": "crop-flip"} | choice)
    report = train_heads(painter, [PIXELS], scenes, settings, stages)
    head = report.heads[0]
    assert (head.accuracy if settings.needs_labels else head.agreement) > 0.5  # one third by chance


def test_a_share_counts_pixels_but_those_without_class(painter, scenes, stages):
    """A trunk that answers class 1 everywhere is right where the label is 1, of the pixels with a class."""
    with torch.no_grad():
        painter.trunk.last.weight.zero_()
        painter.trunk.last.bias.copy_(torch.tensor([0.0, 1.0, 0.0]))
    report = train_heads(painter, [PIXELS], scenes, TrainSettings(**SETTINGS, validation=0.5), stages)
    assert report.accuracy_final == pytest.approx(1 / 3, abs=0.05)


def test_maps_of_another_size_are_refused(painter, scenes, stages):
    labels = scenes.labels[:, :3]
    with pytest.raises(DataError, match=r"have the shape \[samples, 3, 6\], expected \[samples, 6, 6\]"):
        train_heads(painter, [PIXELS], Samples(inputs=scenes.inputs, labels=labels), TrainSettings(**SETTINGS), stages)
