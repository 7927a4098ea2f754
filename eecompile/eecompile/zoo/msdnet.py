"""MSDNet: every layer holds features at several scales, and every exit reads the coarsest.

Source: Huang et al., Multi-Scale Dense Networks for Resource Efficient Image Classification, 2018, with bottlenecks and
with the network reduction of its section 4: the layers are shared evenly among as many blocks as there are scales, and
the first layer of each block but the first gives up the finest scale, and behind it half of the channels are dropped.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from torch import Tensor, nn

from eecompile.zoo.he_initialise import he_initialise
from eecompile.zoo.msdnet_layer import MsdLayer, MsdReduction, Widths, conv_unit

__all__ = ["MsdNet", "MsdShape", "msdnet_cifar", "msdnet_imagenet"]


@dataclass(frozen=True, kw_only=True)
class MsdShape:
    """What distinguishes one MSDNet from another.

    Attributes:
        exits: how many.
        base: layers before the first exit.
        step: layers between two exits.
        channels: of the finest scale at the start.
        widths: growth and the factors of the scales.
        head: channels inside an exit's head; None: as many as it reads.
    """

    exits: int
    base: int
    step: int
    channels: int
    widths: Widths
    head: int | None

    @property
    def layers(self) -> int:
        """Layers of the whole network."""
        return self.base + (self.exits - 1) * self.step

    def scales_after(self, layer: int) -> int:
        """Scales that are left behind a layer, counted from 1; 0 stands for the stem."""
        interval = ceil(self.layers / len(self.widths.factors))
        return len(self.widths.factors) - max(0, layer - 1) // interval


class MsdHead(nn.Module):
    """Two 3x3 convolutions of stride 2 with batch normalisation and ReLU, the mean over the image, one linear layer."""

    def __init__(self, inputs: int, width: int, classes: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(conv_unit(inputs, width, 3, 2), conv_unit(width, width, 3, 2))
        self.linear = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, inputs, height, width] float32` to logits `[batch, classes]`."""
        logits: Tensor = self.linear(self.convs(x).mean((2, 3)))
        return logits


class MsdNet(nn.Module):
    """A multi-exit network by construction. See `msdnet_imagenet` and `msdnet_cifar`.

    Args:
        shape: of the network.
        first: makes the finest scale from the image.
        classes: the number of classes.
    """

    def __init__(self, shape: MsdShape, first: nn.Module, classes: int) -> None:
        super().__init__()
        at_start = [shape.channels * factor for factor in shape.widths.factors]
        self.stem = nn.ModuleList([first, *(conv_unit(before, after, 3, 2) for before, after in pairwise(at_start))])
        self.blocks, self.heads = nn.ModuleList(), nn.ModuleList()
        channels = shape.channels
        for index in range(shape.exits):
            last = shape.base + index * shape.step
            count = shape.base if index == 0 else shape.step
            block, channels = _block(shape, channels, range(last - count + 1, last + 1))
            self.blocks.append(block)
            inputs = channels * shape.widths.factors[-1]
            self.heads.append(MsdHead(inputs, shape.head or inputs, classes))
        he_initialise(self)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map images `[batch, in_channels, height, width] float32` to one `[batch, classes]` of logits an exit."""
        scales = []
        for part in self.stem:
            x = part(x)
            scales.append(x)
        logits = []
        for block, head in zip(self.blocks, self.heads, strict=True):
            scales = block(scales)
            logits.append(head(scales[-1]))
        return tuple(logits)


def msdnet_imagenet(classes: int, exits: int = 5, base: int = 7, step: int = 7, in_channels: int = 3) -> MsdNet:
    """Make an MSDNet for images of 224x224: four scales, 32 channels and growth 16, both times 1, 2, 4 and 4.

    With five exits and 1,000 classes it has 62,314,440 parameters (35 layers, the network that EENet takes), with
    `base=4, step=4` 23,958,408.

    Args:
        classes: the number of classes.
        exits: how many.
        base: layers before the first exit.
        step: layers between two exits.
        in_channels: the number of channels of an image.
    """
    widths = Widths(growth=16, factors=(1, 2, 4, 4))
    shape = MsdShape(exits=exits, base=base, step=step, channels=32, widths=widths, head=None)
    first = nn.Sequential(conv_unit(in_channels, 32, 7, 2), nn.MaxPool2d(3, 2, padding=1))
    return MsdNet(shape, first, classes)


def msdnet_cifar(classes: int, exits: int = 10, base: int = 4, step: int = 2, in_channels: int = 3) -> MsdNet:
    """Make an MSDNet for images of 32x32: three scales, 16 channels and growth 6, both times 1, 2 and 4.

    With ten exits and ten classes it has 4,839,544 parameters. The arguments are those of `msdnet_imagenet`.
    """
    widths = Widths(growth=6, factors=(1, 2, 4))
    shape = MsdShape(exits=exits, base=base, step=step, channels=16, widths=widths, head=128)
    return MsdNet(shape, conv_unit(in_channels, 16, 3, 1), classes)


def _block(shape: MsdShape, channels: int, layers: range) -> tuple[nn.Sequential, int]:
    """Make the layers up to an exit; return them and the channels of the finest scale behind them."""
    block = nn.Sequential()
    for layer in layers:
        before, after = shape.scales_after(layer - 1), shape.scales_after(layer)
        block.append(MsdLayer(channels, shape.widths, before, after))
        channels += shape.widths.growth
        if after < before:
            block.append(MsdReduction(channels, shape.widths, after))
            channels //= 2
    return block, channels
