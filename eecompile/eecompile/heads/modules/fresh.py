"""Fresh weights of a layer, from torch's generator: normal, scaled so that values keep their size; biases are zero.

The variance is gain / inputs of one output (He et al. 2015, eq. 10 and 14): gain 2 in front of a ReLU, else 1. Layers
that make logits are drawn like all others, not set to zero.
"""

from math import prod, sqrt
from typing import TypeVar

from torch import nn

__all__ = ["before_relu", "fresh"]

Layer = TypeVar("Layer", nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)


def before_relu(layer: Layer) -> Layer:
    """Draw the weights of a layer whose result goes into a ReLU, also through a batch normalisation; return it."""
    return _draw(layer, gain=2.0)


def fresh(layer: Layer) -> Layer:
    """Draw the weights of any other layer; return it."""
    return _draw(layer, gain=1.0)


def _draw(layer: Layer, *, gain: float) -> Layer:
    nn.init.normal_(layer.weight, std=sqrt(gain / _inputs(layer)))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _inputs(layer: nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d) -> float:
    """How many values one output sums up."""
    if isinstance(layer, nn.Linear):
        return layer.in_features
    inputs = layer.in_channels * prod(layer.kernel_size)
    return inputs / prod(layer.stride) if isinstance(layer, nn.ConvTranspose2d) else inputs
