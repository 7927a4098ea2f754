"""EENet's small DenseNet for CIFAR, plain and with four exits."""

from torch import Tensor, nn

from eecompile.zoo.densenet import DenseNet
from eecompile.zoo.eenet_head import EENetHead
from eecompile.zoo.he_initialise import he_initialise

__all__ = ["EENetDenseNet", "densenet121_4", "densenet121_growth12"]


class EENetDenseNet(nn.Module):
    """A DenseNet with an EENet head behind every transition; the last answer is the trunk's own."""

    def __init__(self, trunk: DenseNet, classes: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ModuleDict(
            {f"transition{number}": EENetHead(channels, classes) for number, channels in _transitions(trunk)}
        )
        he_initialise(self.heads)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map images `[batch, in_channels, height, width] float32` to one `[batch, classes]` of logits an exit."""
        logits = []
        for name, part in self.trunk.features.named_children():
            x = part(x)
            if name in self.heads:
                logits.append(self.heads[name](x))
        return (*logits, self.trunk.classifier(x.mean((2, 3))))


def densenet121_growth12(classes: int, in_channels: int = 3) -> DenseNet:
    """Make the trunk of `densenet121_4`: 6, 12, 24 and 16 layers of growth 12 behind a 3x3 convolution to 24 channels.

    It is not the DenseNet-121 of Huang et al., whose growth is 32. 1,035,268 parameters for CIFAR-100.
    """
    return DenseNet(12, (6, 12, 24, 16), 24, classes, stem="cifar", in_channels=in_channels)


def densenet121_4(classes: int, in_channels: int = 3) -> EENetDenseNet:
    """Make EENet's network for CIFAR-100: exits behind the three transitions and at the end.

    For images of 32x32 and a hundred classes: 1,207,768 parameters; 55.15, 94.60, 126.53 and 131.36 million
    multiply-accumulates up to each exit, with all heads before it. Source: Ilhan et al., EENet, 2024, and its code.
    """
    return EENetDenseNet(densenet121_growth12(classes, in_channels), classes)


def _transitions(trunk: DenseNet) -> list[tuple[int, int]]:
    """Number of each transition, and channels behind it."""
    return list(enumerate(trunk.stage_channels[:-1], start=1))
