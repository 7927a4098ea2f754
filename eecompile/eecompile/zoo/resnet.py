"""ResNets for large images (ImageNet stem) and for 32x32 images (CIFAR stem).

Source: He et al., Deep Residual Learning for Image Recognition, 2016. The stride of a bottleneck is in its 3x3
convolution, and the weights have the names of those that are published for PyTorch, which load.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from eecompile.zoo.choice import check_choice
from eecompile.zoo.he_initialise import he_initialise
from eecompile.zoo.plain_network import PlainNetwork

__all__ = ["STEMS", "BasicBlock", "Bottleneck", "ResNet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]

STEMS = ("cifar", "imagenet")


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, added to the input."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _projection(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, inputs, h, w]` to `[batch, width, h/stride, w/stride]`, after the last ReLU."""
        y = functional.relu(self.bn1(self.conv1(x)))
        shortcut = x if self.downsample is None else self.downsample(x)
        return functional.relu(self.bn2(self.conv2(y)) + shortcut)


class Bottleneck(nn.Module):
    """A 1x1 convolution to `width` channels, a 3x3 one, and a 1x1 one to four times as many, added to the input."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = _projection(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, inputs, h, w]` to `[batch, 4 width, h/stride, w/stride]`, after the last ReLU."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        shortcut = x if self.downsample is None else self.downsample(x)
        return functional.relu(self.bn3(self.conv3(y)) + shortcut)


class ResNet(PlainNetwork):
    """Stages `layer1`, `layer2`, … of residual blocks; each stage but the first halves the image.

    Args:
        block: the class of the blocks.
        blocks: how many each stage has.
        widths: of each stage; its output has `block.expansion` times as many channels.
        classes: the number of classes.
        stem: `cifar`: a 3x3 convolution of stride 1; `imagenet`: a 7x7 one of stride 2 and max-pooling 3x3 of stride 2.
        in_channels: the number of channels of an image.

    Attributes:
        stage_names: names of the stages.
        stage_channels: channels of the feature behind each of them.

    Raises:
        IngestError: `stem` is not one of these.
    """

    own_head = "fc"

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        blocks: Sequence[int],
        widths: Sequence[int],
        classes: int,
        *,
        stem: str,
        in_channels: int,
    ) -> None:
        super().__init__()
        check_choice("stem", stem, STEMS)
        large = stem == "imagenet"
        kernel, stride = (7, 2) if large else (3, 1)
        self.conv1 = nn.Conv2d(in_channels, widths[0], kernel, stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.maxpool = nn.MaxPool2d(3, 2, padding=1) if large else nn.Identity()
        inputs = widths[0]
        self.stage_names = tuple(f"layer{number + 1}" for number in range(len(blocks)))
        self.stage_channels = tuple(width * block.expansion for width in widths)
        for index, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            stage = nn.Sequential()
            for position in range(count):
                stage.append(block(inputs, width, 2 if index > 0 and position == 0 else 1))
                inputs = width * block.expansion
            self.add_module(self.stage_names[index], stage)
        self.fc = nn.Linear(inputs, classes)
        he_initialise(self)

    @property
    def tap_names(self) -> tuple[str, ...]:
        """Every residual block."""
        stages = ((name, self.get_submodule(name)) for name in self.stage_names)
        return tuple(f"{name}.{block}" for name, stage in stages for block, _ in stage.named_children())

    def stem(self, x: Tensor) -> Tensor:
        """Map images to the feature `[batch, widths[0], height, width]` that the first stage takes."""
        first: Tensor = self.maxpool(functional.relu(self.bn1(self.conv1(x))))
        return first

    def forward(self, x: Tensor) -> Tensor:
        """Map images `[batch, in_channels, height, width] float32` to logits `[batch, classes]`."""
        x = self.stem(x)
        for name in self.stage_names:
            x = self.get_submodule(name)(x)
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


def resnet18(classes: int, stem: str = "cifar", in_channels: int = 3) -> ResNet:
    """Make ResNet-18: 2, 2, 2 and 2 basic blocks; 11,689,512 parameters for ImageNet."""
    return ResNet(BasicBlock, (2, 2, 2, 2), _WIDTHS, classes, stem=stem, in_channels=in_channels)


def resnet34(classes: int, stem: str = "cifar", in_channels: int = 3) -> ResNet:
    """Make ResNet-34: 3, 4, 6 and 3 basic blocks; 21,797,672 parameters for ImageNet."""
    return ResNet(BasicBlock, (3, 4, 6, 3), _WIDTHS, classes, stem=stem, in_channels=in_channels)


def resnet50(classes: int, stem: str = "cifar", in_channels: int = 3) -> ResNet:
    """Make ResNet-50: 3, 4, 6 and 3 bottlenecks; 25,557,032 parameters for ImageNet."""
    return ResNet(Bottleneck, (3, 4, 6, 3), _WIDTHS, classes, stem=stem, in_channels=in_channels)


def resnet101(classes: int, stem: str = "cifar", in_channels: int = 3) -> ResNet:
    """Make ResNet-101: 3, 4, 23 and 3 bottlenecks; 44,549,160 parameters for ImageNet."""
    return ResNet(Bottleneck, (3, 4, 23, 3), _WIDTHS, classes, stem=stem, in_channels=in_channels)


def resnet152(classes: int, stem: str = "cifar", in_channels: int = 3) -> ResNet:
    """Make ResNet-152: 3, 8, 36 and 3 bottlenecks; 60,192,808 parameters for ImageNet."""
    return ResNet(Bottleneck, (3, 8, 36, 3), _WIDTHS, classes, stem=stem, in_channels=in_channels)


_WIDTHS = (64, 128, 256, 512)


def _projection(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """The shortcut where the shape changes: a 1x1 convolution and batch normalisation."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
