"""Small networks written in the styles that taps are found in; each answers 4 classes."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """A residual block with operations in place, as in torchvision."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Residual(nn.Module):
    """Stages of blocks, stage after stage named."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(Block(4, 4), Block(4, 4))
        self.layer2 = nn.Sequential(Block(4, 8, 2), Block(8, 8))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.relu(self.bn1(self.conv1(x)))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class Vgg(nn.Module):
    """Bare layers in one Sequential."""

    def __init__(self) -> None:
        super().__init__()
        first = (nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2))
        second = (nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(inplace=True), nn.Dropout(), nn.MaxPool2d(2))
        self.features = nn.Sequential(*first, *second)
        self.classifier = nn.Sequential(nn.Linear(24, 8), nn.ReLU(True), nn.Dropout(), nn.Linear(8, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(x), 1))


class DenseLayer(nn.Sequential):
    """Takes all features so far, gives new ones."""

    def __init__(self, inputs: int) -> None:
        super().__init__(nn.Conv2d(inputs, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1))

    def forward(self, features: list[Tensor]) -> Tensor:
        return super().forward(torch.cat(features, 1))


class DenseBlock(nn.ModuleDict):
    """Dense layers, then everything concatenated."""

    def __init__(self, inputs: int) -> None:
        super().__init__({"denselayer1": DenseLayer(inputs), "denselayer2": DenseLayer(inputs + 2)})

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return torch.cat(features, 1)


class Dense(nn.Module):
    """Dense blocks with transitions."""

    def __init__(self) -> None:
        super().__init__()
        transition = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Conv2d(8, 4, 1), nn.AvgPool2d(2))
        parts = {
            "conv0": nn.Conv2d(1, 4, 3, padding=1),
            "relu0": nn.ReLU(inplace=True),
            "denseblock1": DenseBlock(4),
            "transition1": transition,
            "denseblock2": DenseBlock(4),
            "norm5": nn.BatchNorm2d(8),
        }
        self.features = nn.Sequential(OrderedDict(parts))
        self.classifier = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(functional.relu(self.features(x), inplace=True).mean((2, 3)))


class Layer(nn.Module):
    """An encoder layer that returns a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(8, 8)
        self.output = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.norm = nn.LayerNorm(8)

    def forward(self, hidden: Tensor, attention_mask: Tensor | None = None) -> tuple[Tensor]:
        mean = (hidden * attention_mask).mean(1, keepdim=True)
        hidden = hidden + self.mix(mean)
        return (self.norm(hidden + self.output(hidden)),)


class Encoder(nn.Module):
    """Token ids and a mask; layers in a ModuleList, called with keywords; nothing is tapped in the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.layer = nn.ModuleList(Layer() for _ in range(3))
        self.pooler = nn.Linear(8, 8)
        self.classifier = nn.Linear(8, 4)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        mask = attention_mask.float()[:, :, None]
        hidden = self.embedding(input_ids)
        for layer in self.layer:
            hidden = layer(hidden, attention_mask=mask)[0]
        return self.classifier(torch.tanh(self.pooler(hidden[:, 0])))


class Functional(nn.Module):
    """Stages with pooling between them that is no module, and parallel branches that are no chain."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(self.stage(*widths) for widths in ((1, 4), (4, 4), (4, 4)))
        self.branches = nn.ModuleList(self.stage(4, 4) for _ in range(2))
        self.scale = nn.Identity()
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))

    @staticmethod
    def stage(inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = functional.relu(functional.max_pool2d(self.scale(stage(x)), 2, 1))
        left, right = (branch(x) for branch in self.branches)
        return self.head(left + right)


def plain_sequential() -> nn.Module:
    """Convolution groups, pooling and a linear layer in one Sequential."""
    groups = (nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding=1), nn.Tanh())
    return nn.Sequential(*groups, nn.Flatten(), nn.Linear(64, 4))


def sequential_of_stages() -> nn.Module:
    """Stages of two convolutions each, whose inner layers are not tapped."""
    return nn.Sequential(Functional.stage(1, 4), Functional.stage(4, 4), nn.Flatten(), nn.Linear(256, 4))


class DigitNet(nn.Module):
    """Three residual blocks for images of 8x8 in 10 classes; `--factory tapped_networks:DigitNet` makes it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU())
        blocks = (Block(width, width), Block(width, 2 * width, 2), Block(2 * width, 2 * width))
        self.blocks = nn.ModuleList(blocks)
        self.fc = nn.Linear(2 * width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.fc(x.mean((2, 3)))
