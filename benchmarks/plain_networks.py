"""Plain networks to attach heads to: the digits example's, and the trunk of a multi-exit ResNet-18 with its last head.

That ResNet-18 had been trained jointly with exits, for no plain network is at hand that was trained on the same data:
early features are easier to answer from than those of a network that never had exits. Results say so (`TRUNK`).
"""

import importlib
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from benchmarks.networks import NETWORKS, SHARED, available, digits_backbone
from eecompile.checkpoint import Checkpoint, build_module, load_checkpoint, save_checkpoint

__all__ = ["PLAIN", "TRUNK", "PlainNetwork", "make_digits", "make_resnet18", "plain_network"]

TRUNK = {
    "resnet18": "trained jointly with exits, whose heads are left out but the last: not a network that never had exits",
    "digits": "trained without exits",
}
"""How the trunk of each plain network was trained."""

SOURCES = {"resnet18": "resnet18_8", "digits": "digits"}
"""Name of the plain network -> name of the multi-exit network that it belongs to."""

PLAIN = tuple(SOURCES)


class Plain(nn.Module):
    """A stem, blocks, and one head."""

    def __init__(self, stem: nn.Module, blocks: nn.ModuleList, head: nn.Module) -> None:
        super().__init__()
        self.stem, self.blocks, self.head = stem, blocks, head

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, channels, height, width] float32` to logits `[batch, classes]`."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(x)
        return logits


class NormalisedStem(nn.Module):
    """Normalise, then the stem."""

    def __init__(self, mean: Tensor, std: Tensor, stem: nn.Module) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.stem = stem

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, 3, height, width] float32` in 0..1 to the first feature."""
        first: Tensor = self.stem((x - self.mean) / self.std)
        return first


@dataclass(frozen=True, kw_only=True)
class PlainNetwork:
    """A trained network without exits, and its data.

    Attributes:
        name: as in file names of results.
        model: the checkpoint.
        data: `.npz` with `x_train`, `y_train`, `x_test`, `y_test`.
        factory: `module:function` that makes it.
    """

    name: str
    model: Path
    data: Path
    factory: str


def make_resnet18(width: int, classes: int = 10) -> Plain:
    """Make the ResNet-18 with fresh weights; `width` channels in its first stage."""
    return _plain_resnet18(_shared_module("resnet18_8")(width, classes))


def make_digits(channels: list[int], classes: int, in_channels: int) -> nn.Module:
    """Make the network of the digits example with fresh weights."""
    from eecompile.zoo import lookup

    return lookup("residual_cnn")(channels, classes, in_channels)


def plain_network(name: str, folder: Path, *, train: int | None, test: int | None) -> PlainNetwork:
    """Write the checkpoint and the data of a plain network.

    Args:
        name: of `PLAIN`.
        folder: where to write.
        train: how many of the training images to take, the first ones of a shuffled set; None: all.
        test: the same of the test images.
    """
    source = SOURCES[name]
    if source not in available():
        sys.exit(f"{source} is not at hand: its weights and images lie in a folder `shared` beside the checkout")
    network = NETWORKS[source]
    checkpoint = load_checkpoint(digits_backbone() if name == "digits" else network.model)
    module = build_module(checkpoint, network.factory)
    plain = _plain_resnet18(module) if name == "resnet18" else module
    model = folder / f"{name}.pt"
    save_checkpoint(model, _plain_checkpoint(name, checkpoint, plain.state_dict()))
    data = folder / f"{name}-data.npz"
    if name == "resnet18":
        _write_cifar10(data, train=train, test=test)
    else:
        limits = {"x_train": train, "y_train": train, "x_test": test, "y_test": test}
        with np.load(network.model.with_suffix(".npz")) as arrays:
            np.savez(data, **{key: arrays[key][: limits.get(key)] for key in arrays.files})
    return PlainNetwork(name=name, model=model, data=data, factory=f"benchmarks.plain_networks:make_{name}")


def _plain_checkpoint(name: str, source: Checkpoint, weights: Mapping[str, Tensor]) -> Checkpoint:
    return Checkpoint(
        arch=None,
        arch_kwargs=source.arch_kwargs,
        state_dict=weights,
        exits=("final",),
        inputs=source.inputs,
        task=source.task,
        classes=source.classes,
        meta={"trunk": TRUNK[name]},
    )


def _write_cifar10(data: Path, *, train: int | None, test: int | None) -> None:
    """Unpack the first images."""
    limits = {"--train": train, "--test": test}
    words = [word for flag, count in limits.items() if count is not None for word in (flag, str(count))]
    command = [sys.executable, str(SHARED / "tools" / "cifar10.py"), str(data), *words]
    subprocess.run(command, check=True, stdout=sys.stderr)


def _shared_module(name: str) -> Callable[[int, int], nn.Module]:
    """`make` of a module in the folder of shared models."""
    folder = str(SHARED / "models")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    make: Callable[[int, int], nn.Module] = importlib.import_module(name).make
    return make


def _plain_resnet18(network: nn.Module) -> Plain:
    parts = dict(network.named_children())
    buffers = dict(network.named_buffers(recurse=False))
    stem = NormalisedStem(buffers["mean"], buffers["std"], parts["stem"])
    return Plain(stem, _list(parts["blocks"]), _list(parts["heads"])[-1])


def _list(module: nn.Module) -> nn.ModuleList:
    assert isinstance(module, nn.ModuleList)
    return module
