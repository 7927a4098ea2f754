"""EENet's head for convolutional networks: three convolutions in the size of the map."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eecompile.heads.base import HeadContext, HeadKind
from eecompile.heads.reasons import not_a_map, not_one_row

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Conv3Head"]

NARROWING = 4


@dataclass(frozen=True, kw_only=True)
class Conv3Head(HeadKind):
    """Three times 3x3 convolution, batch normalisation and ReLU, then global average pool and linear layer.

    The head of EENet's CNNs (arXiv 2301.07099). The first convolution leaves a quarter of the channels; convolutions
    have no bias. Reads `[batch, channels, height, width]`.

    Parameters, with w = channels / 4 and C classes: 9·channels·w + 18·w² + 6·w + w·C + C. With such heads behind
    blocks 9 and 18, EENet's `resnet56_3` has 939,438.
    """

    name: ClassVar[str] = "conv3"

    def refusal(self, context: HeadContext) -> str | None:
        """It needs a map of 4 channels or more, and a trunk that answers one row of classes."""
        return not_one_row(context) or not_a_map(context) or _narrow(context.tap.shape[0])

    def make(self, context: HeadContext) -> "nn.Module":
        """Weights: He for the convolutions."""
        from torch import nn

        from eecompile.heads.modules.conv_norm import conv_norm
        from eecompile.heads.modules.global_linear import global_linear

        channels = context.tap.shape[0]
        width = channels // NARROWING
        return nn.Sequential(
            conv_norm(channels, width, 3),
            conv_norm(width, width, 3),
            conv_norm(width, width, 3),
            global_linear(width, context.classes),
        )


def _narrow(channels: int) -> str | None:
    return None if channels >= NARROWING else f"the map has {channels} channels, expected {NARROWING} or more"
