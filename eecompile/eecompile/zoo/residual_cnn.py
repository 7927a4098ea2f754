"""A small residual network for small images, without exits."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from eecompile.zoo.he_initialise import he_initialise
from eecompile.zoo.plain_network import PlainNetwork
from eecompile.zoo.resnet import BasicBlock

__all__ = ["ResidualCnn", "residual_cnn"]


class ResidualCnn(PlainNetwork):
    """A convolution, residual blocks that keep the size of the image, and a linear layer on its mean."""

    own_head = "fc"

    def __init__(self, channels: Sequence[int], classes: int, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels[0], 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels[0])
        inputs = (channels[0], *channels[:-1])
        self.blocks = nn.Sequential(
            *(BasicBlock(before, after, 1) for before, after in zip(inputs, channels, strict=True))
        )
        self.fc = nn.Linear(channels[-1], classes)
        he_initialise(self)

    @property
    def tap_names(self) -> tuple[str, ...]:
        """Every residual block."""
        return tuple(f"blocks.{name}" for name, _ in self.blocks.named_children())

    def forward(self, x: Tensor) -> Tensor:
        """Map images `[batch, in_channels, height, width] float32` to logits `[batch, classes]`."""
        feature = self.blocks(functional.relu(self.bn(self.conv(x))))
        logits: Tensor = self.fc(feature.mean((2, 3)))
        return logits


def residual_cnn(channels: Sequence[int], classes: int, in_channels: int) -> ResidualCnn:
    """Make a network for small images. No block shrinks the image, so that its cost grows with the square of its width.

    Args:
        channels: the width of each residual block, shallow to deep.
        classes: the number of classes.
        in_channels: the number of channels of an image.
    """
    return ResidualCnn(channels, classes, in_channels)
