"""The layers of MSDNet. A feature is a list of maps `[batch, channels, height, width]`, the finest scale first.

Channels are counted at the finest scale of the whole network; scale s has `factors[s]` times as many, and half the
height and width of the scale before.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["MsdLayer", "MsdReduction", "Widths", "conv_unit"]


@dataclass(frozen=True, kw_only=True)
class Widths:
    """How wide the scales of a network are.

    Attributes:
        growth: channels that a layer adds at the finest scale.
        factors: of each scale, on channels and growth; the bottleneck of a convolution that reads this scale is as
            many times wider than its output.
    """

    growth: int
    factors: tuple[int, ...]


class MsdLayer(nn.Module):
    """Put new channels behind those of each scale: from the scale itself, and half of them from the next finer one.

    Args:
        channels: of the input, at the finest scale of the network.
        widths: of the scales.
        before: how many scales the input has, the coarsest ones.
        after: how many the output has.
    """

    def __init__(self, channels: int, widths: Widths, before: int, after: int) -> None:
        super().__init__()
        self.dropped = before - after
        self.same, self.down = nn.ModuleList(), nn.ModuleList()
        factors = widths.factors
        for scale in range(len(factors) - after, len(factors)):
            new = widths.growth * factors[scale]
            if scale > len(factors) - before:
                finer = factors[scale - 1]
                self.down.append(_bottleneck(channels * finer, new // 2, finer, 2))
                new -= new // 2
            self.same.append(_bottleneck(channels * factors[scale], new, factors[scale], 1))

    def forward(self, scales: list[Tensor]) -> list[Tensor]:
        """Map the scales to those that go on, each with more channels."""
        down = [part(x) for part, x in zip(self.down, scales[-1 - len(self.down) :], strict=False)]
        outputs = []
        alone = len(self.same) - len(self.down)
        for index, (part, x) in enumerate(zip(self.same, scales[self.dropped :], strict=True)):
            finer = [] if index < alone else [down[index - alone]]
            outputs.append(torch.cat((x, *finer, part(x)), 1))
        return outputs


class MsdReduction(nn.Module):
    """A 1x1 convolution with batch normalisation and ReLU at each scale, to half of the channels, rounded down."""

    def __init__(self, channels: int, widths: Widths, scales: int) -> None:
        super().__init__()
        left = widths.factors[-scales:]
        self.convs = nn.ModuleList(conv_unit(channels * factor, channels // 2 * factor, 1, 1) for factor in left)

    def forward(self, scales: list[Tensor]) -> list[Tensor]:
        """Map the scales to as many, narrower ones."""
        return [part(x) for part, x in zip(self.convs, scales, strict=True)]


def conv_unit(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    """Make a convolution with batch normalisation and ReLU."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def _bottleneck(inputs: int, outputs: int, factor: int, stride: int) -> nn.Sequential:
    """A 1x1 convolution to `factor` times the outputs, at most the inputs, then a 3x3 one."""
    inner = min(inputs, factor * outputs)
    return nn.Sequential(conv_unit(inputs, inner, 1, 1), conv_unit(inner, outputs, 3, stride))
