"""A small convolutional network with one exit after every stage."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BranchyCnn", "branchy_cnn"]


class ConvBlock(nn.Sequential):
    """3x3 convolution, batch normalisation and ReLU; the image keeps its size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions whose result is added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvBlock(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, channels, height, width] float32` to the same shape."""
        return functional.relu(x + self.norm(self.second(self.first(x))))


class PooledHead(nn.Module):
    """The mean over the image, then one linear layer: next to nothing beside a stage."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, channels, height, width] float32` to logits `[batch, classes]`."""
        logits: Tensor = self.linear(x.mean((2, 3)))
        return logits


class BranchyCnn(nn.Module):
    """Stages of growing width, each with a head. See `branchy_cnn`."""

    def __init__(self, channels: Sequence[int], classes: int, in_channels: int) -> None:
        super().__init__()
        inputs = (in_channels, *channels[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(ConvBlock(before, after), ResidualBlock(after))
            for before, after in zip(inputs, channels, strict=True)
        )
        self.heads = nn.ModuleList(PooledHead(width, classes) for width in channels)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map images `[batch, in_channels, height, width] float32` to one `[batch, classes]` of logits an exit."""
        logits = []
        for stage, head in zip(self.stages, self.heads, strict=True):
            x = stage(x)
            logits.append(head(x))
        return tuple(logits)


def branchy_cnn(channels: Sequence[int], classes: int, in_channels: int) -> BranchyCnn:
    """Make a network for small images, with one exit after every stage.

    A stage is a 3x3 convolution to its width and a residual block. No stage shrinks the image, so that the cost of a
    stage grows with the square of its width.

    Args:
        channels: the width of each stage, shallow to deep.
        classes: the number of classes.
        in_channels: the number of channels of an image.
    """
    return BranchyCnn(channels, classes, in_channels)
