"""How far one step may move a layer."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import Parameter

__all__ = ["MOST_OF_LAYER", "layers_of", "limit_gradients"]

MOST_OF_LAYER = 0.003
"""Of heads: length of a gradient's step as a share of the length of the layer's weights; momentum makes it up to ten
times that.

Tried on the digit scans at a rate of 0.05. With 0.003 every kind of head learned. With 0.01 Bag-of-Features heads did
not for some seeds. Without a limit nor did linear layers on features ten times as large, and one filter on 32,768
values, whose ReLU died. With 0.001 training took longer."""

LEAST_RMS = 1e-3
"""A layer counts as if its weights had at least this root mean square, so that one that starts at zero can move."""


def layers_of(module: nn.Module) -> list[tuple[Parameter, ...]]:
    """Return the weights by layer: a kernel with its bias, a norm's factor with its shift, any other weight alone."""
    layers: list[tuple[Parameter, ...]] = []
    known: set[int] = set()
    for part in module.modules():
        own = {name: weight for name, weight in part.named_parameters(recurse=False) if id(weight) not in known}
        known |= {id(weight) for weight in own.values()}
        pair = tuple(own.pop(name) for name in ("weight", "bias") if name in own)
        layers += [*([pair] if pair else []), *((weight,) for weight in own.values())]
    return layers


def limit_gradients(layers: Sequence[Sequence[Parameter]], rates: Mapping[int, float], most: float) -> None:
    """Shorten the gradient of each layer where its step would be too long.

    The step of a layer with weights w and gradient g at rate η is η·g; g is multiplied by min(1, most·|w| / (η·|g|)).
    This is layer-wise rate scaling (LARS, arXiv 1708.03888) that only ever lowers a rate. Heads need it because they
    differ by orders of magnitude in the rate that they bear: one filter that runs over the whole feature, a linear
    layer on 65,536 values, a stack of normalised convolutions.

    Args:
        layers: what `layers_of` returned; weights without a gradient are left out.
        rates: learning rate by the `id` of a weight; one for the whole layer.
        most: length of a gradient's step as a share of the length of the layer's weights.
    """
    for layer in layers:
        moving = [(weight, weight.grad) for weight in layer if weight.grad is not None]
        if not moving:
            continue
        weights = _norm([weight.detach() for weight, _ in moving])
        floor = LEAST_RMS * sum(weight.numel() for weight, _ in moving) ** 0.5
        step = rates[id(moving[0][0])] * _norm([slope for _, slope in moving])
        share = most * weights.clamp(min=floor) / step.clamp(min=torch.finfo(torch.float32).tiny)
        for _, slope in moving:
            slope.mul_(share.clamp(max=1))


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(tensor) for tensor in tensors]))
    return norm
