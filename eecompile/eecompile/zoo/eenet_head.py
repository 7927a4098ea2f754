"""The exit head that EENet gives its convolutional networks."""

from torch import Tensor, nn

__all__ = ["EENetHead"]


class EENetHead(nn.Module):
    """Three 3x3 convolutions with batch normalisation and ReLU, the mean over the image, one linear layer.

    The first convolution leaves a quarter of the channels, r = inputs/4; parameters: 9 inputs r + 18 r² + 6 r +
    (r + 1) classes. Source: Ilhan et al., Adaptive Deep Neural Network Inference Optimization with EENet, 2024.

    Args:
        inputs: channels of the feature.
        classes: the number of classes.
    """

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        width = inputs // 4
        self.convs = nn.Sequential()
        for channels in (inputs, width, width):
            self.convs.append(nn.Conv2d(channels, width, 3, padding=1, bias=False))
            self.convs.append(nn.BatchNorm2d(width))
            self.convs.append(nn.ReLU())
        self.linear = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, inputs, height, width] float32` to logits `[batch, classes]`."""
        logits: Tensor = self.linear(self.convs(x).mean((2, 3)))
        return logits
