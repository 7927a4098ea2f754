"""Ends of dense heads: a class for every pixel of a map, and the map in the size of the answer."""

from torch import nn

from eecompile.heads.modules.conv_norm import conv_norm
from eecompile.heads.modules.fresh import fresh

__all__ = ["dense_head", "enlarge"]

NARROWING = 4
"""Channels of the map for each channel inside."""


def dense_head(channels: int, classes: int) -> nn.Sequential:
    """3x3 convolution, batch normalisation and ReLU, then a 1x1 convolution (the head of FCN, Long et al. 2015).

    Map `[batch, channels, height, width]` to `[batch, classes, height, width]`.
    Parameters, with i = channels / 4 inside: 9·channels·i + 2·i + i·classes + classes.
    """
    inside = max(1, channels // NARROWING)
    return nn.Sequential(conv_norm(channels, inside, 3), fresh(nn.Conv2d(inside, classes, 1)))


def enlarge(shape: tuple[int, ...], output: tuple[int, ...]) -> nn.Sequential:
    """Bilinear enlargement of a map to the height and width of `output`; nothing where it has them.

    Corners are not aligned. The scale is a whole number and fixed, so that the graph holds no computed sizes.
    """
    scale = (output[1] // shape[1], output[2] // shape[2])
    if scale == (1, 1):
        return nn.Sequential()
    return nn.Sequential(nn.Upsample(scale_factor=scale, mode="bilinear", align_corners=False))
