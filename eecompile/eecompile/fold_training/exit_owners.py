"""Which image's logits each channel of an exit's last layers reaches."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from eecompile.fold.folded_network import FoldedNetwork
from eecompile.fold.layers import MAKERS

__all__ = ["exit_owners"]

ROWS = 32
"""What a layer makes is replaced by random values; in so many rows a ReLU or a maximum behind it lets each through."""


def exit_owners(network: FoldedNetwork, shape: tuple[int, ...]) -> dict[str, Tensor | None]:
    """The image whose logits each channel reaches, of the layers whose outputs reach logits through no other layer.

    That follows whatever `forward` does behind the last layers: concatenation, another order of axes, a maximum. The
    autograd graph is cut behind every layer, so that gradients of the logits of one image end in the last layers.

    Args:
        network: folded, in evaluation mode, on the CPU; its weights are left as they are.
        shape: of one image, `(channels, height, width)`.

    Returns:
        By name of the module in `network.body`: `[outputs] int64`, or None where a channel reaches no image or more
        than one, or where one image has more channels than another.
    """
    values: list[tuple[str, Tensor]] = []
    handles = [
        layer.register_forward_hook(_cut(name, values))
        for name, layer in network.body.named_modules()
        if isinstance(layer, MAKERS)
    ]
    try:
        with torch.enable_grad():
            exits = network(torch.rand(ROWS, network.factor, *shape, generator=torch.Generator().manual_seed(0)))
    finally:
        for handle in handles:
            handle.remove()
    modules, found = dict(network.body.named_modules()), dict[str, Tensor]()
    for place in range(network.factor):
        for logits in exits:
            for (name, _), gradient in zip(values, _gradients(logits[:, place], values), strict=True):
                if gradient is not None:
                    axis = -1 if isinstance(modules[name], nn.Linear) else 1
                    reached = (gradient != 0).movedim(axis, 0).flatten(1).any(1)
                    found.setdefault(name, torch.zeros(network.factor, len(reached), dtype=torch.bool))[place] |= (
                        reached
                    )
    return {name: _owners(reached) for name, reached in found.items()}


def _cut(name: str, values: list[tuple[str, Tensor]]) -> Callable[[nn.Module, object, Tensor], Tensor]:
    """A hook that puts random values in the place of what a layer makes, and notes them."""

    def cut(_layer: nn.Module, _given: object, made: Tensor) -> Tensor:
        drawn = torch.randn(made.shape, generator=torch.Generator().manual_seed(len(values)))
        values.append((name, drawn.requires_grad_()))
        return drawn.clone()  # what runs in place may change it

    return cut


def _gradients(logits: Tensor, values: list[tuple[str, Tensor]]) -> tuple[Tensor | None, ...]:
    """Of a random sum of one image's logits `[rows, classes]`, for each of the values; None: not reached."""
    if not logits.requires_grad:
        return (None,) * len(values)
    weights = torch.rand(logits.shape, generator=torch.Generator().manual_seed(0)) + 0.5
    ends = [value for _, value in values]
    return torch.autograd.grad((logits * weights).sum(), ends, retain_graph=True, allow_unused=True)


def _owners(reached: Tensor) -> Tensor | None:
    """`[outputs] int64` from `[factor, outputs] bool`."""
    counts = reached.sum(1)
    clean = bool((reached.sum(0) == 1).all()) and bool((counts == counts[0]).all())
    return reached.int().argmax(0) if clean else None
