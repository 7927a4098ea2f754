"""Layers that can be folded: how many features each takes, and how it gets fresh weights for another number.

Fresh weights of a convolution are normal with variance 2 / (kernel area x outputs of a group) (He et al., Delving Deep
into Rectifiers, 2015, section 2.2, the form for the backward pass), as in the zoo. Its bias and all other layers are
torch's own start, as `reset_parameters` makes it; normalisation is 1 and 0, without statistics.
"""

from collections.abc import Callable
from math import prod, sqrt
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase as StatisticsNorm

__all__ = ["LAYERS", "MAKERS", "STATE", "Layer", "Maker", "arriving", "groups_of", "made_by", "refit", "taken"]

Maker: TypeAlias = nn.Conv2d | nn.ConvTranspose2d | nn.Linear
Layer: TypeAlias = Maker | StatisticsNorm | nn.GroupNorm | nn.LayerNorm | nn.PReLU

MAKERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
"""Layers whose weights decide how wide their output is."""

LAYERS = (*MAKERS, StatisticsNorm, nn.GroupNorm, nn.LayerNorm, nn.PReLU)
"""All layers with weights that can be folded; `StatisticsNorm` is batch and instance normalisation."""

STATE = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
"""Names of the parameters and buffers that these have."""


def taken(layer: Layer) -> int:
    """How many features a layer takes; 1 where it takes any number."""
    if isinstance(layer, nn.Linear):
        return layer.in_features
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        return layer.in_channels
    if isinstance(layer, nn.LayerNorm):
        return int(layer.normalized_shape[0])
    if isinstance(layer, nn.GroupNorm):
        return layer.num_channels
    return layer.num_parameters if isinstance(layer, nn.PReLU) else layer.num_features


def made_by(layer: Layer) -> int:
    """How many features a layer makes."""
    if isinstance(layer, nn.Linear):
        return layer.out_features
    return layer.out_channels if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) else taken(layer)


def arriving(layer: Layer, x: Tensor) -> int:
    """How many features a tensor has, on the axis that the layer reads."""
    if isinstance(layer, nn.Linear):
        return x.shape[-1]
    return x.shape[-len(layer.normalized_shape)] if isinstance(layer, nn.LayerNorm) else x.shape[1]


def groups_of(layer: nn.Module) -> tuple[int, tuple[int, ...]]:
    """In how many groups a layer takes its features apart, and the widths that they must divide.

    A layer with as many groups as features follows any number of them: 1 group, no widths.
    """
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and 1 < layer.groups < layer.in_channels:
        return layer.groups, (layer.in_channels, layer.out_channels)
    if isinstance(layer, nn.GroupNorm) and 1 < layer.num_groups < layer.num_channels:
        return layer.num_groups, (layer.num_channels,)
    return 1, ()


def refit(layer: Layer, inputs: int, width: Callable[[int], int]) -> None:
    """Give a layer fresh weights for `inputs` features, drawn from torch's generator.

    Args:
        layer: changed in place.
        inputs: what arrives; the number of groups divides it.
        width: the new number of outputs by the old one.
    """
    with torch.no_grad():
        if isinstance(layer, nn.Linear):
            layer.in_features, layer.out_features = inputs, width(layer.out_features)
            _renew(layer, (layer.out_features, inputs), layer.out_features)
        elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            _refit_convolution(layer, inputs, width)
        elif isinstance(layer, nn.LayerNorm):
            layer.normalized_shape = (inputs, *layer.normalized_shape[1:])
            _renew(layer, layer.normalized_shape, *layer.normalized_shape)
        elif isinstance(layer, nn.GroupNorm):
            layer.num_groups = inputs if layer.num_groups == layer.num_channels else layer.num_groups
            layer.num_channels = inputs
            _renew(layer, (inputs,), inputs)
        elif isinstance(layer, nn.PReLU):
            layer.num_parameters = 1 if layer.num_parameters == 1 else inputs
            _renew(layer, (layer.num_parameters,))
        else:
            _refit_statistics(layer, inputs)
        if isinstance(layer, nn.Conv2d):
            _draw(layer)
        else:
            layer.reset_parameters()


def _draw(layer: nn.Conv2d) -> None:
    outputs, inputs = layer.out_channels // layer.groups, layer.in_channels // layer.groups
    nn.init.normal_(layer.weight, std=sqrt(2 / (prod(layer.kernel_size) * outputs)))
    if layer.bias is not None:
        bound = 1 / sqrt(prod(layer.kernel_size) * inputs)
        nn.init.uniform_(layer.bias, -bound, bound)


def _refit_convolution(layer: nn.Conv2d | nn.ConvTranspose2d, inputs: int, width: Callable[[int], int]) -> None:
    """One filter a channel stays one filter a channel; other groups keep their number."""
    outputs = width(layer.out_channels)
    if 1 < layer.groups == layer.in_channels:
        outputs, layer.groups = layer.out_channels // layer.groups * inputs, inputs
    layer.in_channels, layer.out_channels = inputs, outputs
    front = (inputs, outputs) if isinstance(layer, nn.ConvTranspose2d) else (outputs, inputs)
    _renew(layer, (front[0], front[1] // layer.groups, *layer.kernel_size), outputs)


def _refit_statistics(layer: StatisticsNorm, inputs: int) -> None:
    layer.num_features = inputs
    if layer.weight is not None:
        _renew(layer, (inputs,), inputs)
    if layer.running_mean is not None and layer.running_var is not None:
        layer.running_mean = layer.running_mean.new_zeros(inputs)
        layer.running_var = layer.running_var.new_ones(inputs)


def _renew(layer: Layer, weight: tuple[int, ...], *bias: int) -> None:
    """Put new tensors in the place of those that the layer has."""
    for name, shape in (("weight", weight), ("bias", bias)):
        old = layer._parameters.get(name)
        if old is not None:
            setattr(layer, name, nn.Parameter(old.new_empty(shape)))
