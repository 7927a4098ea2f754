"""Which image of a row each channel of a folded network belongs to, when the images are kept apart."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eecompile.fold.folded_network import FoldedNetwork
from eecompile.fold.layers import LAYERS, MAKERS, Layer, Maker
from eecompile.fold.run import run
from eecompile.fold_training.exit_owners import exit_owners

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

    The channels that a hidden layer makes are divided in order among the images of a row; their numbers differ by one
    at most. Those of an exit's last layers belong to the image whose logits they reach, see `exit_owners`. Which image
    a channel that a layer takes belongs to is seen by running a copy: its weights are averages, so that values are
    positive and no ReLU hides them, norms pass on what they take, and each row holds one image, all others being zero.
    That follows concatenation, flattening and whatever else `forward` does.

    A layer is left out, and mixes the images, where an image would have no channel, where grouped convolutions do not
    follow the images, or where its channels reach the logits of several images. A norm over channels of several images
    is not left out: it mixes them although its weights do not.

    Args:
        network: folded; left as it is.
        shape: of one image, `(channels, height, width)`.
    """
    copied = copy.deepcopy(network).cpu().float().eval()
    body, factor, exits = copied.body, network.factor, exit_owners(copied, shape)
    owners: dict[str, LayerOwners] = {}

    def find(name: str, layer: nn.Module, given: Tensor | None) -> None:
        if name in owners or given is None or not isinstance(layer, LAYERS):
            return
        taken = _owners_of(given, layer)
        made = exits[name] if name in exits else _in_order(layer, factor)
        found = None if made is None else _layer_owners(layer, taken, made)
        if found is None or any(not _all_have_some(part, factor) for part in (found.made, found.taken)):
            return
        owners[name] = found
        if isinstance(layer, MAKERS) and found.taken is not None:
            _keep_apart(layer, found.made, found.taken, factor)

    with torch.no_grad():
        for layer in body.modules():
            if isinstance(layer, MAKERS):
                _average(layer)
            elif isinstance(layer, LAYERS):
                layer.register_forward_hook(_pass_on, with_kwargs=True)
        run(body, _one_image_a_row(factor, shape), where="images apart", what="the folded network", before=find)
    return owners


def _one_image_a_row(factor: int, shape: tuple[int, ...]) -> Tensor:
    """`[1 + factor, factor * channels, height, width]`: no image, then the same positive image in each place."""
    image = 0.5 + torch.rand(shape, generator=torch.Generator().manual_seed(0))
    rows = torch.zeros(1 + factor, factor, *shape)
    for place in range(factor):
        rows[1 + place, place] = image
    return rows.flatten(1, 2)


def _average(layer: Maker) -> None:
    """Let a layer average what it takes."""
    layer.weight.fill_(1 / layer.weight[0].numel())
    if layer.bias is not None:
        layer.bias.zero_()


def _pass_on(_layer: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor], _made: Tensor) -> Tensor:
    """A hook that lets a layer pass on what it takes."""
    return next(iter((*args, *kwargs.values())))


def _keep_apart(layer: Maker, made: Tensor, taken: Tensor, factor: int) -> None:
    """Let a layer average channels of the same image alone, so that values stay as large as they are."""
    apart = factor * (made[:, None] == taken[None, :])
    weight = layer.weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else layer.weight
    weight.mul_(apart.reshape(*apart.shape, *(1,) * (weight.ndim - 2)))


def _owners_of(x: Tensor, layer: Layer) -> Tensor:
    """`[features] int64`: in which row, that is by which image, each feature changes most."""
    axis = 1
    if isinstance(layer, nn.Linear):
        axis = -1
    elif isinstance(layer, nn.LayerNorm):
        axis = -len(layer.normalized_shape)
    change = (x[1:] - x[:1]).abs().movedim(axis, 1)
    return (change.flatten(2).mean(2) if change.ndim > 2 else change).argmax(0)


def _in_order(layer: Layer, factor: int) -> Tensor:
    """`[outputs] int64`: the channels that a layer makes, shared out in order."""
    if not isinstance(layer, MAKERS):
        return torch.zeros(0, dtype=torch.int64)
    outputs = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
    return torch.arange(outputs) * factor // outputs


def _layer_owners(layer: Layer, taken: Tensor, made: Tensor) -> LayerOwners | None:
    if not isinstance(layer, MAKERS):
        return LayerOwners(made=taken, taken=None)
    if isinstance(layer, nn.Linear) or layer.groups == 1:
        return LayerOwners(made=made, taken=taken)
    if isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels:
        return LayerOwners(made=taken.repeat_interleave(layer.out_channels // layer.groups), taken=None)
    return None


def _all_have_some(owners: Tensor | None, factor: int) -> bool:
    return owners is None or bool(torch.bincount(owners, minlength=factor).all())
