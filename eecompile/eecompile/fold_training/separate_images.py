"""Keep the images of a row apart: channels of their own, and the same weights for all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from eecompile.fold.folded_network import FoldedNetwork
from eecompile.fold_training.channel_owners import LayerOwners, channel_owners
from eecompile.fold_training.reactions import Reactions, reactions

__all__ = ["SeparateImages"]


@dataclass(frozen=True, kw_only=True)
class _Blocks:
    """Where the parts of one weight are that belong to each image.

    Attributes:
        weight: the weight.
        made: by image, indices along axis 0 (along axis 1 of a transposed convolution).
        taken: by image, indices along the other of these axes; None: all.
        turned: whether it is of a transposed convolution.
    """

    weight: Parameter
    made: Sequence[Tensor]
    taken: Sequence[Tensor] | None
    turned: bool

    def of(self, values: Tensor) -> Tensor:
        """`values` of the weight's shape with outputs in front; a view."""
        return values.transpose(0, 1) if self.turned else values


class SeparateImages:
    """A start for a folded network in which no image meets another.

    Weights between channels of different images are zero, and each image has the weights of the first one: a row is
    then computed as by one network of 1/f of the channels that sees f images one after the other. For some epochs steps
    keep it so: each image's weights move by the sum of the gradients of all. Afterwards all weights are free, and the
    images may use each other's channels.

    Images with one channel less than others have no copy of the weights of that channel.

    Some networks mix the images in spite of it: norms over all channels, layers that `channel_owners` leaves out. What
    comes out is measured: where the logits of an image do not react most to that image, or images that nothing mixes
    are not answered alike in all places, the network gets its first weights back, and all weights are free.

    Args:
        network: folded, with fresh weights, where it trains; its weights are changed.
        shape: of one image, `(channels, height, width)`.
        epochs: how many, from the first on, steps keep it so; 0: the weights are left as they are.

    Attributes:
        epochs: the same; 0 where the network got its first weights back.
    """

    def __init__(self, network: FoldedNetwork, shape: tuple[int, ...], epochs: int) -> None:
        self.epochs, self._active, self._factor = epochs, False, network.factor
        owners = channel_owners(network, shape) if epochs else {}
        modules = dict(network.body.named_modules())
        self._blocks = [
            block for name, found in owners.items() for block in _blocks(modules[name], found, self._factor)
        ]
        fresh = [block.weight.detach().clone() for block in self._blocks]
        with torch.no_grad():
            for block in self._blocks:
                self._start(block)
            if epochs and not self._is_sound(reactions(network, shape)):
                for block, weight in zip(self._blocks, fresh, strict=True):
                    block.weight.copy_(weight)
                self.epochs = 0

    def begin(self, epoch: int) -> None:
        """Say which epoch runs, counted from 0."""
        self._active = epoch < self.epochs

    def join_gradients(self) -> None:
        """Give each image's weights the sum of all images' gradients, and weights between them none; later nothing."""
        if not self._active:
            return
        with torch.no_grad():
            for block in self._blocks:
                if block.weight.grad is not None:
                    self._spread(block, block.weight.grad, self._sum(block, block.weight.grad))

    def _is_sound(self, found: Reactions) -> bool:
        """Images with equally many channels everywhere must be answered alike in all places, unless they are mixed."""
        equal = all(len({len(made) for made in block.made}) == 1 for block in self._blocks)
        return found.own_most and (found.alike or not found.apart or not equal)

    def _start(self, block: _Blocks) -> None:
        """Give all images the weights of one with the most channels, as large as for its channels alone."""
        values = block.of(block.weight)
        part = values[max(block.made, key=len)]
        if block.taken is not None:
            part = part[:, max(block.taken, key=len)] * sqrt(self._factor)
        self._spread(block, block.weight, part.clone())

    def _sum(self, block: _Blocks, values: Tensor) -> Tensor:
        """The sum of the parts of all images, in the shape of the largest part."""
        turned = block.of(values)
        widest = max(map(len, block.made))
        others = turned.shape[1:] if block.taken is None else (max(map(len, block.taken)), *turned.shape[2:])
        total = values.new_zeros(widest, *others)
        for made, taken in self._places(block):
            if taken is None:
                total[: len(made)] += turned[made]
            else:
                total[: len(made), : len(taken)] += turned[made[:, None], taken[None, :]]
        return total

    def _spread(self, block: _Blocks, values: Tensor, part: Tensor) -> None:
        """Put one part in the place of every image, and zeros between them."""
        turned = block.of(values)
        if block.taken is not None:
            values.zero_()
        for made, taken in self._places(block):
            if taken is None:
                turned[made] = part[: len(made)]
            else:
                turned[made[:, None], taken[None, :]] = part[: len(made), : len(taken)]

    def _places(self, block: _Blocks) -> Iterator[tuple[Tensor, Tensor | None]]:
        for image in range(self._factor):
            yield block.made[image], None if block.taken is None else block.taken[image]


def _blocks(layer: nn.Module, owners: LayerOwners, factor: int) -> Iterator[_Blocks]:
    """The weights of a layer, taken apart by image; one number for all channels stays whole."""
    for weight in layer.parameters(recurse=False):
        turned = isinstance(layer, nn.ConvTranspose2d) and weight.ndim > 1
        if weight.shape[1 if turned else 0] != len(owners.made):
            continue
        device = weight.device
        made = [torch.nonzero(owners.made == image).flatten().to(device) for image in range(factor)]
        taken = None
        if owners.taken is not None and weight.ndim > 1:
            taken = [torch.nonzero(owners.taken == image).flatten().to(device) for image in range(factor)]
        yield _Blocks(weight=weight, made=made, taken=taken, turned=turned)
