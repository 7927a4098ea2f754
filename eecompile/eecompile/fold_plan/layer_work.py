"""What each convolution and each fully connected layer of a network computes, reads and writes."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from eecompile.fold.run import first_tensor

__all__ = ["LayerWork", "layers_of"]

COUNTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True, kw_only=True)
class LayerWork:
    """One layer at one row: an image, or in a folded network a group of images.

    Attributes:
        name: of the module.
        kind: its class.
        output: shape of what it makes, without the batch axis.
        macs: multiply-accumulates.
        bias_adds: additions of the bias.
        weights: number of weights, the bias among them.
        values: number of values that it reads and writes.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    macs: int
    bias_adds: int
    weights: int
    values: int

    @property
    def flops(self) -> int:
        """Multiplications and additions, those of the bias among them."""
        return 2 * self.macs + self.bias_adds


def layers_of(module: nn.Module, shape: tuple[int, ...]) -> tuple[LayerWork, ...]:
    """Run a network once on one row of zeros, and return its layers in the order in which they run.

    Only convolutions and fully connected layers count, as in the paper; a layer that runs twice is there twice.

    Args:
        module: in float32 on the CPU; its mode is kept.
        shape: of one row.
    """
    found: list[LayerWork] = []

    def note(name: str) -> Callable[[nn.Module, tuple[object, ...], dict[str, object], Tensor], None]:
        def hook(layer: nn.Module, args: tuple[object, ...], kwargs: dict[str, object], made: Tensor) -> None:
            given = first_tensor(args, kwargs)
            if given is not None:
                found.append(_work(name, layer, given, made))

        return hook

    handles = [
        part.register_forward_hook(note(name), with_kwargs=True)
        for name, part in module.named_modules()
        if isinstance(part, COUNTED)
    ]
    modes = [(part, part.training) for part in module.modules()]
    try:
        with torch.no_grad():
            module.eval()(torch.zeros(1, *shape))
    finally:
        for handle in handles:
            handle.remove()
        for part, training in modes:
            part.training = training
    return tuple(found)


def _work(name: str, layer: nn.Module, given: Tensor, made: Tensor) -> LayerWork:
    """Every output of a layer takes as many products as a filter has weights; of a transposed one every input does."""
    parts = dict(layer.named_parameters(recurse=False))
    inputs, outputs = given[0].numel(), made[0].numel()
    each = prod(parts["weight"].shape[1:])
    return LayerWork(
        name=name,
        kind=type(layer).__name__,
        output=tuple(made.shape[1:]),
        macs=(inputs if isinstance(layer, TRANSPOSED) else outputs) * each,
        bias_adds=outputs if "bias" in parts else 0,
        weights=sum(part.numel() for part in parts.values()),
        values=inputs + outputs,
    )
