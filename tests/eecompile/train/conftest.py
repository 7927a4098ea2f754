"""A small trained network on real digit scans, and heads of four kinds at its taps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from eecompile.attach.attached import Attached
from eecompile.attach.attachment import AttachedHead, Attachment
from eecompile.heads.base import Tap
from eecompile.input_info import InputInfo
from eecompile.train.report import TrainReport
from eecompile.train.settings import TrainSettings
from eecompile.train.train_heads import train_heads
from eerun.data import Samples

TAPS = {"stage_0": (8, 8, 8), "stage_1": (16, 4, 4), "stage_2": (16, 4, 4)}
IMAGE = InputInfo(name="x", shape=(1, 8, 8), dtype="uint8", layout="NCHW", scale=1 / 16)


@pytest.fixture(autouse=True, scope="session")
def threads():
    """One thread is enough for small networks, and sums do not depend on the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Digits(nn.Module):
    """Three convolutions with batch normalisation and dropout, `[batch, 1, 8, 8]` to `[batch, 10]`."""

    def __init__(self) -> None:
        super().__init__()
        self.stage_0 = stage(1, 8, stride=1)
        self.stage_1 = stage(8, 16, stride=2)
        self.stage_2 = stage(16, 16, stride=1)
        self.last = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.stage_2(self.stage_1(self.stage_0(x))).flatten(1))


def stage(inputs: int, outputs: int, *, stride: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(), nn.Dropout(0.1)
    )


class OneFilter(nn.Module):
    """One filter over the flattened feature, then a linear layer.

    The filter starts with positive weights: features are not negative, and a ReLU behind a negative filter is dead.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.filter, self.last = nn.Conv1d(1, 1, 3), nn.Linear(features - 2, 10)
        nn.init.constant_(self.filter.weight, 1 / 3)
        nn.init.zeros_(self.filter.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.filter(x.flatten(1)[:, None])).flatten(1))


def make_head(kind: str, shape: Sequence[int]) -> nn.Module:
    features = int(np.prod(shape))
    if kind == "fc":
        return nn.Sequential(nn.Flatten(), nn.Linear(features, 64), nn.ReLU(), nn.Linear(64, 10))
    if kind == "filter":
        return OneFilter(features)
    if kind == "linear":
        return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * shape[0], 10))
    first = (nn.Conv2d(shape[0], 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout(0.2))
    return nn.Sequential(*first, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


@pytest.fixture(scope="session")
def fresh_head() -> Callable[[str, Sequence[int]], nn.Module]:
    """Make a head: `(kind, shape)` with one of the kinds `fc`, `filter`, `linear`, `conv`."""
    return make_head


@dataclass(frozen=True)
class Scans:
    """Raw scans: those to train on, and others that no weight has seen."""

    train: Samples
    other: Samples


@pytest.fixture(scope="session")
def scans() -> Scans:
    digits = load_digits()
    images, labels = digits.images.astype(np.uint8)[:, None], digits.target.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(images))
    first, second = order[:1300], order[1300:]
    return Scans(
        train=Samples(inputs={"x": images[first]}, labels=labels[first]),
        other=Samples(inputs={"x": images[second]}, labels=labels[second]),
    )


@pytest.fixture(scope="session")
def trained_weights(scans) -> dict[str, Tensor]:
    """The trunk after a few epochs."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        trunk, order = Digits().train(), torch.Generator().manual_seed(0)
        x = torch.from_numpy(scans.train.inputs["x"]).float() / 16
        y = torch.from_numpy(scans.train.labels)
        optimiser = torch.optim.SGD(trunk.parameters(), 0.05, momentum=0.9, nesterov=True)
        for _ in range(8):
            for index in torch.randperm(len(x), generator=order).split(64):
                optimiser.zero_grad()
                functional.cross_entropy(trunk(x[index]), y[index]).backward()
                optimiser.step()
    return {name: weight.clone() for name, weight in trunk.state_dict().items()}


@pytest.fixture(scope="session")
def attach(trained_weights) -> Callable[..., Attached]:
    """Put fresh heads on the trained trunk: `("fc", "linear", taps=("stage_0",))`."""

    def make(*kinds: str, taps: Sequence[str] = tuple(TAPS), **modules: nn.Module) -> Attached:
        trunk = Digits()
        trunk.load_state_dict(trained_weights)
        pairs = [(tap, kind) for tap in taps for kind in kinds]
        with torch.random.fork_rng([]):
            torch.manual_seed(1)
            heads = [modules[kind] if kind in modules else make_head(kind, TAPS[tap]) for tap, kind in pairs]
        placed = tuple(AttachedHead(name=f"{tap}-{kind}", tap=tap, kind=kind) for tap, kind in pairs)
        known = tuple(Tap(name=name, shape=shape, macs=1) for name, shape in TAPS.items())
        return Attached(trunk, heads, Attachment(taps=known, heads=placed, chosen=(), output=(10,)))

    return make


@pytest.fixture(scope="session")
def image() -> InputInfo:
    """How a scan becomes what the network sees."""
    return IMAGE


@pytest.fixture
def train(image, scans, stages) -> Callable[..., TrainReport]:
    """Train on the scans with small settings: `(attached, epochs=3, state=..., resume=..., stages=..., ...)`."""

    def run(attached: Attached, **given: Any) -> TrainReport:
        shown, samples = given.pop("stages", stages), given.pop("samples", scans.train)
        where = {name: given.pop(name) for name in ("state", "resume") if name in given}
        settings = TrainSettings(**{"epochs": 3, "batch": 64, "precision": "float32", "device": "cpu"} | given)
        return train_heads(attached, [image], samples, settings, shown, **where)

    return run


@pytest.fixture(scope="session")
def bits() -> Callable[[nn.Module], dict[str, Tensor]]:
    """A copy of weights and buffers: `(network)`."""
    return lambda network: {name: tensor.clone() for name, tensor in network.state_dict().items()}


@pytest.fixture(scope="session")
def same_bits() -> Callable[[dict[str, Tensor], dict[str, Tensor]], bool]:
    """Whether two copies hold the same bits."""
    return lambda one, other: one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
