"""Which image of a row each channel of a folded network belongs to, when the images are kept apart."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eecompile.fold.folded_network import FoldedNetwork
from eecompile.fold.layers import LAYERS, MAKERS, Layer

__all__ = ["LayerOwners", "channel_owners"]


@dataclass(frozen=True, kw_only=True)
class LayerOwners:
    """The image that each channel of one layer belongs to.

    Attributes:
        made: `[outputs] int64`, of the channels that it makes.
        taken: `[inputs] int64`, of those that it takes; None: each channel that it makes is made from its own image's
            channels anyway, as in a norm or a depthwise convolution.
    """

    made: Tensor
    taken: Tensor | None


def channel_owners(network: FoldedNetwork, shape: tuple[int, ...]) -> dict[str, LayerOwners]:
    """Share out the channels of every layer, by name of the module in `network.body`.

    The channels that a layer makes are divided in order among the images of a row, as its logits are; their numbers
    differ by one at most. Which image a channel that a layer takes belongs to is seen by running a copy: its weights
    are averages, so that values are positive and no ReLU hides them, and each row holds one image, all others being
    zero. That follows concatenation, flattening and whatever else `forward` does.

    A layer is left out, and mixes the images, where an image would have no channel, or where grouped convolutions do
    not follow the images.

    Args:
        network: folded; left as it is.
        shape: of one image, `(channels, height, width)`.
    """
    owners: dict[str, LayerOwners] = {}
    body = copy.deepcopy(network.body).cpu().float().eval()
    with torch.no_grad():
        handles = [
            layer.register_forward_pre_hook(_finder(name, network.factor, owners))
            for name, layer in body.named_modules()
            if isinstance(layer, LAYERS)
        ]
        for layer in body.modules():
            if isinstance(layer, LAYERS):
                _average(layer)
        body(_one_image_a_row(network.factor, shape))
    for handle in handles:
        handle.remove()
    return owners


def _one_image_a_row(factor: int, shape: tuple[int, ...]) -> Tensor:
    """`[1 + factor, factor * channels, height, width]`: no image, then the same positive image in each place."""
    image = 0.5 + torch.rand(shape, generator=torch.Generator().manual_seed(0))
    rows = torch.zeros(1 + factor, factor, *shape)
    for place in range(factor):
        rows[1 + place, place] = image
    return rows.flatten(1, 2)


def _average(layer: Layer) -> None:
    """Let a layer average what it takes; a norm scales nothing."""
    if not isinstance(layer, MAKERS):
        layer.reset_parameters()
        return
    layer.weight.fill_(1 / layer.weight[0].numel())
    if layer.bias is not None:
        layer.bias.zero_()


def _finder(name: str, factor: int, owners: dict[str, LayerOwners]) -> Callable[[Layer, tuple[Tensor, ...]], None]:
    """A hook that notes a layer's channels when it first runs, and keeps the images apart in it."""

    def find(layer: Layer, given: tuple[Tensor, ...]) -> None:
        if name in owners:
            return
        taken = _owners_of(given[0], layer)
        found = _layer_owners(layer, taken, factor)
        if found is None or any(not _all_have_some(part, factor) for part in (found.made, found.taken)):
            return
        owners[name] = found
        if found.taken is not None:
            apart = found.made[:, None] == found.taken[None, :]
            weight = layer.weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else layer.weight
            weight.mul_(apart.reshape(*apart.shape, *(1,) * (weight.ndim - 2)))

    return find


def _owners_of(x: Tensor, layer: Layer) -> Tensor:
    """`[features] int64`: in which row, that is by which image, each feature changes most."""
    axis = 1
    if isinstance(layer, nn.Linear):
        axis = -1
    elif isinstance(layer, nn.LayerNorm):
        axis = -len(layer.normalized_shape)
    change = (x[1:] - x[:1]).abs().movedim(axis, 1)
    return (change.flatten(2).mean(2) if change.ndim > 2 else change).argmax(0)


def _layer_owners(layer: Layer, taken: Tensor, factor: int) -> LayerOwners | None:
    if not isinstance(layer, MAKERS):
        return LayerOwners(made=taken, taken=None)
    outputs = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
    if isinstance(layer, nn.Linear) or layer.groups == 1:
        return LayerOwners(made=torch.arange(outputs) * factor // outputs, taken=taken)
    if isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels:
        return LayerOwners(made=taken.repeat_interleave(outputs // layer.groups), taken=None)
    return None


def _all_have_some(owners: Tensor | None, factor: int) -> bool:
    return owners is None or bool(torch.bincount(owners, minlength=factor).all())
