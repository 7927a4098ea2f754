"""A small fully convolutional network for segmentation: one class for each pixel.

Source: Yu and Koltun, Multi-Scale Context Aggregation by Dilated Convolutions, 2016, with residual blocks as in Yu,
Koltun and Funkhouser, Dilated Residual Networks, 2017.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from eecompile.zoo.he_initialise import he_initialise
from eecompile.zoo.plain_network import PlainNetwork

__all__ = ["DilatedFcn", "dilated_fcn"]

_DILATIONS = (1, 2, 4, 8)


class DilatedBlock(nn.Module):
    """Two 3x3 convolutions of the same dilation, added to the input; the map keeps its size."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, inputs, height, width]` to `[batch, outputs, height, width]`, after the last ReLU."""
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class DilatedFcn(PlainNetwork):
    """A convolution of stride 2, residual blocks `blocks.0`, `blocks.1`, …, and a dense head. See `dilated_fcn`."""

    own_head = "head"

    def __init__(self, channels: Sequence[int], classes: int, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels[0], 3, 2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels[0])
        pairs = zip((channels[0], *channels[:-1]), channels, strict=True)
        self.blocks = nn.Sequential(
            *(
                DilatedBlock(before, after, _DILATIONS[index % len(_DILATIONS)])
                for index, (before, after) in enumerate(pairs)
            )
        )
        self.head = nn.Sequential(
            nn.Conv2d(channels[-1], classes, 1), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        )
        he_initialise(self)

    @property
    def tap_names(self) -> tuple[str, ...]:
        """Every residual block; a tap is `[batch, channels, height/2, width/2]`."""
        return tuple(f"blocks.{index}" for index in range(len(self.blocks)))

    def forward(self, x: Tensor) -> Tensor:
        """Map images `[batch, in_channels, height, width] float32` to logits `[batch, classes, height, width]`."""
        x = functional.relu(self.bn(self.conv(x)))
        logits: Tensor = self.head(self.blocks(x))
        return logits


def dilated_fcn(channels: Sequence[int], classes: int, in_channels: int) -> DilatedFcn:
    """Make a network for small scenes; height and width are even.

    The blocks work at half the height and width, with dilations 1, 2, 4 and 8 and from the start again, so that four
    blocks see 123 pixels along each axis; the head brings the logits back to full size, bilinearly.

    Args:
        channels: the width of each block, shallow to deep.
        classes: the number of classes.
        in_channels: the number of channels of an image.
    """
    return DilatedFcn(channels, classes, in_channels)
