"""DenseNets for large images (ImageNet stem) and for 32x32 images (CIFAR stem).

Source: Huang et al., Densely Connected Convolutional Networks, 2017, with bottlenecks of four times the growth and
transitions that leave half of the channels (DenseNet-BC). The weights have the names of those that are published for
PyTorch; in the oldest of these files, `norm.1`, `conv.1`, `norm.2` and `conv.2` must first lose the dot.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from eecompile.zoo.choice import check_choice
from eecompile.zoo.he_initialise import he_initialise
from eecompile.zoo.plain_network import PlainNetwork
from eecompile.zoo.resnet import STEMS

__all__ = ["DenseNet", "densenet121"]

_BOTTLENECK = 4


class DenseLayer(nn.Module):
    """Batch normalisation, ReLU and a 1x1 convolution, the same with a 3x3 one; the result is put behind the input."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, _BOTTLENECK * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(_BOTTLENECK * growth)
        self.conv2 = nn.Conv2d(_BOTTLENECK * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, inputs, height, width]` to `[batch, inputs + growth, height, width]`."""
        y = self.conv1(functional.relu(self.norm1(x)))
        return torch.cat((x, self.conv2(functional.relu(self.norm2(y)))), 1)


class DenseNet(PlainNetwork):
    """Dense blocks `features.denseblock1`, …, with a transition behind each but the last that halves the image.

    Args:
        growth: channels that a layer adds.
        blocks: how many layers each dense block has.
        channels: of the stem.
        classes: the number of classes.
        stem: `cifar`: a 3x3 convolution of stride 1; `imagenet`: a 7x7 one of stride 2, batch normalisation, ReLU and
            max-pooling 3x3 of stride 2.
        in_channels: the number of channels of an image.

    Attributes:
        stage_channels: channels of the feature behind each tap.

    Raises:
        IngestError: `stem` is not one of these.
    """

    own_head = "classifier"

    def __init__(
        self, growth: int, blocks: Sequence[int], channels: int, classes: int, *, stem: str, in_channels: int
    ) -> None:
        super().__init__()
        check_choice("stem", stem, STEMS)
        parts: OrderedDict[str, nn.Module] = OrderedDict(_stem(in_channels, channels, large=stem == "imagenet"))
        behind = []
        for number, layers in enumerate(blocks, start=1):
            block = nn.Sequential()
            for layer in range(1, layers + 1):
                block.add_module(f"denselayer{layer}", DenseLayer(channels, growth))
                channels += growth
            parts[f"denseblock{number}"] = block
            if number < len(blocks):
                parts[f"transition{number}"] = _transition(channels)
                channels //= 2
            behind.append(channels)
        parts["norm5"], parts["relu5"] = nn.BatchNorm2d(channels), nn.ReLU()
        self.stage_channels = tuple(behind)
        self.features = nn.Sequential(parts)
        self.classifier = nn.Linear(channels, classes)
        he_initialise(self)

    @property
    def tap_names(self) -> tuple[str, ...]:
        """Every dense block: its transition, or the last batch normalisation and ReLU."""
        transitions = range(1, len(self.stage_channels))
        return (*(f"features.transition{number}" for number in transitions), "features.relu5")

    def forward(self, x: Tensor) -> Tensor:
        """Map images `[batch, in_channels, height, width] float32` to logits `[batch, classes]`."""
        logits: Tensor = self.classifier(self.features(x).mean((2, 3)))
        return logits


def densenet121(classes: int, stem: str = "cifar", in_channels: int = 3) -> DenseNet:
    """Make DenseNet-121: 6, 12, 24 and 16 layers of growth 32; 7,978,856 parameters for ImageNet."""
    return DenseNet(32, (6, 12, 24, 16), 64, classes, stem=stem, in_channels=in_channels)


def _stem(inputs: int, outputs: int, *, large: bool) -> list[tuple[str, nn.Module]]:
    if not large:
        return [("conv0", nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))]
    return [
        ("conv0", nn.Conv2d(inputs, outputs, 7, 2, padding=3, bias=False)),
        ("norm0", nn.BatchNorm2d(outputs)),
        ("relu0", nn.ReLU()),
        ("pool0", nn.MaxPool2d(3, 2, padding=1)),
    ]


def _transition(channels: int) -> nn.Sequential:
    """Batch normalisation, ReLU, a 1x1 convolution to half of the channels, the mean of each 2x2 square."""
    parts = [
        ("norm", nn.BatchNorm2d(channels)),
        ("relu", nn.ReLU()),
        ("conv", nn.Conv2d(channels, channels // 2, 1, bias=False)),
        ("pool", nn.AvgPool2d(2)),
    ]
    return nn.Sequential(OrderedDict(parts))
