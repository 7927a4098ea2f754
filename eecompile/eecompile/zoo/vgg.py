"""VGG networks with batch normalisation, for large images and for CIFAR.

Source: Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, 2015, networks D and
E, with batch normalisation behind every convolution. The weights have the names of those that are published for
PyTorch, which load into the ImageNet form.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from eecompile.zoo.choice import check_choice
from eecompile.zoo.he_initialise import he_initialise
from eecompile.zoo.plain_network import PlainNetwork

__all__ = ["VGG", "vgg16_bn", "vgg19_bn"]

_FORMS = ("cifar", "imagenet")
_STAGES = (64, 128, 256, 512, 512)


class VGG(PlainNetwork):
    """Five stages of 3x3 convolutions, each followed by max-pooling 2x2, then fully connected layers.

    Args:
        convolutions: how many each stage has.
        classes: the number of classes.
        form: `imagenet`: the map is averaged to 7x7, then come layers of 4,096, 4,096 and `classes` outputs, the first
            two with ReLU and dropout 0.5. `cifar`: the map is flattened for one layer, as Predictive Exit does.
        side: height and width of an image, a multiple of 32; only the CIFAR form depends on it.
        in_channels: the number of channels of an image.

    Raises:
        IngestError: `form` is not one of these.
    """

    own_head = "classifier"

    def __init__(self, convolutions: Sequence[int], classes: int, *, form: str, side: int, in_channels: int) -> None:
        super().__init__()
        check_choice("form", form, _FORMS)
        self.features = nn.Sequential()
        inputs = in_channels
        for width, count in zip(_STAGES, convolutions, strict=True):
            for _ in range(count):
                self.features.append(nn.Conv2d(inputs, width, 3, padding=1))
                self.features.append(nn.BatchNorm2d(width))
                self.features.append(nn.ReLU())
                inputs = width
            self.features.append(nn.MaxPool2d(2))
        self.avgpool: nn.Module
        self.classifier: nn.Module
        if form == "imagenet":
            self.avgpool = nn.AdaptiveAvgPool2d(7)
            self.classifier = _three_layers(inputs * 49, classes)
        else:
            self.avgpool = nn.Identity()
            self.classifier = nn.Linear(inputs * (side // 32) ** 2, classes)
        he_initialise(self)

    @property
    def tap_names(self) -> tuple[str, ...]:
        """The ReLU behind every convolution, and every pooling but the last, which ends the network."""
        taps = (name for name, part in self.features.named_children() if isinstance(part, nn.ReLU | nn.MaxPool2d))
        return tuple(f"features.{name}" for name in taps)[:-1]

    def forward(self, x: Tensor) -> Tensor:
        """Map images `[batch, in_channels, height, width] float32` to logits `[batch, classes]`."""
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


def vgg16_bn(classes: int, form: str = "cifar", side: int = 32, in_channels: int = 3) -> VGG:
    """Make VGG-16 with batch normalisation: 13 convolutions; 138,365,992 parameters for ImageNet."""
    return VGG((2, 2, 3, 3, 3), classes, form=form, side=side, in_channels=in_channels)


def vgg19_bn(classes: int, form: str = "cifar", side: int = 32, in_channels: int = 3) -> VGG:
    """Make VGG-19 with batch normalisation: 16 convolutions; 143,678,248 parameters for ImageNet.

    Its 20 taps are the exits of Predictive Exit (Li et al., 2023), which has one fully connected layer behind the last
    pooling: 4,608 inputs for images of 96x96 (`side=96`). That there is one layer for 32x32, too, with 512 inputs, is
    our reading of it.
    """
    return VGG((2, 2, 4, 4, 4), classes, form=form, side=side, in_channels=in_channels)


def _three_layers(inputs: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, 4096),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(4096, classes),
    )
