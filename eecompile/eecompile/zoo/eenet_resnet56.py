"""EENet's ResNet with bottlenecks for CIFAR, plain and with three exits."""

from torch import Tensor, nn

from eecompile.zoo.eenet_head import EENetHead
from eecompile.zoo.he_initialise import he_initialise
from eecompile.zoo.resnet import Bottleneck, ResNet

__all__ = ["EENetResNet", "resnet56_3", "resnet56_bottleneck"]


class EENetResNet(nn.Module):
    """A ResNet with an EENet head behind every stage but the last, whose answer is the trunk's own."""

    def __init__(self, trunk: ResNet, classes: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ModuleList(EENetHead(channels, classes) for channels in trunk.stage_channels[:-1])
        he_initialise(self.heads)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map images `[batch, in_channels, height, width] float32` to one `[batch, classes]` of logits an exit."""
        x = self.trunk.stem(x)
        logits = []
        for name, head in zip(self.trunk.stage_names, self.heads, strict=False):
            x = self.trunk.get_submodule(name)(x)
            logits.append(head(x))
        x = self.trunk.get_submodule(self.trunk.stage_names[-1])(x)
        return (*logits, self.trunk.fc(x.mean((2, 3))))


def resnet56_bottleneck(classes: int, in_channels: int = 3) -> ResNet:
    """Make the trunk of `resnet56_3`: three stages of nine bottlenecks, widths 16, 32 and 64, outputs four times wider.

    It has 83 layers and is not the ResNet-56 of He et al. 869,530 parameters for CIFAR-10.
    """
    return ResNet(Bottleneck, (9, 9, 9), (16, 32, 64), classes, stem="cifar", in_channels=in_channels)


def resnet56_3(classes: int, in_channels: int = 3) -> EENetResNet:
    """Make EENet's network for CIFAR-10: exits behind blocks 9, 18 and 27.

    For images of 32x32 and ten classes: 939,438 parameters; 54.97, 112.38 and 155.63 million multiply-accumulates up to
    each exit, with all heads before it. Source: Ilhan et al., EENet, 2024, and its code.
    """
    return EENetResNet(resnet56_bottleneck(classes, in_channels), classes)
