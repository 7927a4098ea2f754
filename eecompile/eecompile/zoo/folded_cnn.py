"""The small networks of FoldedCNNs, unfolded: images of game screens, and NoScope's of street cameras.

Source: Kosaian et al., Boosting the Throughput and Accelerator Utilization of Specialized CNN Inference Beyond
Increasing Batch Size, 2021, and its code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from eecompile.zoo.choice import check_choice
from eecompile.zoo.he_initialise import he_initialise
from eecompile.zoo.plain_network import PlainNetwork

__all__ = ["GAMES", "NOSCOPE", "Game", "NoScope", "SmallCnn", "game_cnn", "noscope_cnn"]


@dataclass(frozen=True, kw_only=True)
class Game:
    """One task of the game networks.

    Attributes:
        height: of an image.
        width: of an image.
        classes: the number of classes.
        flat: inputs of the last layer.
        units: how often three convolutions with a pooling are repeated.
    """

    height: int
    width: int
    classes: int
    flat: int
    units: int = 1


@dataclass(frozen=True, kw_only=True)
class NoScope:
    """One task of NoScope; images are 50x50, with two classes.

    Attributes:
        stages: channels of the convolutions; each stage has two, followed by max-pooling 2x2.
        flat: inputs of the first fully connected layer.
        dense: its outputs.
    """

    stages: tuple[int, ...]
    flat: int
    dense: int


GAMES: Mapping[str, Game] = {
    "lol/goldnumber-fraction": Game(height=22, width=52, classes=11, flat=264),
    "lol/goldnumber-int": Game(height=22, width=52, classes=111, flat=264),
    "lol/timer-minutes": Game(height=15, width=35, classes=62, flat=112),
    "apex/squad_count_v2": Game(height=19, width=25, classes=22, flat=96),
    "sot/coin_count-digits_3_4-v2": Game(height=17, width=40, classes=15, flat=128),
    "sot/timer3": Game(height=22, width=30, classes=27, flat=64, units=2),
}
"""The tasks of the game networks by name."""

NOSCOPE: Mapping[str, NoScope] = {
    "coral": NoScope(stages=(16,), flat=10_000, dense=128),
    "night": NoScope(stages=(16,), flat=10_000, dense=128),
    "taipei": NoScope(stages=(64,), flat=40_000, dense=32),
    "roundabout": NoScope(stages=(32, 64), flat=9_216, dense=32),
}
"""The tasks of NoScope by name; the first two have one network."""


class SmallCnn(PlainNetwork):
    """Convolutions 3x3 with bias and ReLU, and max-pooling, in one sequence; then fully connected layers."""

    own_head = "classifier"

    def __init__(self, features: nn.Sequential, classifier: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.classifier = classifier
        he_initialise(self)

    @property
    def tap_names(self) -> tuple[str, ...]:
        """The ReLU behind every convolution."""
        return tuple(f"features.{name}" for name, part in self.features.named_children() if isinstance(part, nn.ReLU))

    def forward(self, x: Tensor) -> Tensor:
        """Map images `[batch, 3, height, width] float32` to logits `[batch, classes]`."""
        logits: Tensor = self.classifier(self.features(x).flatten(1))
        return logits


def game_cnn(task: str) -> SmallCnn:
    """Make the network of a game task (`GAMES`), 32,887 to 60,451 parameters.

    A convolution to 32 channels, pooling 3x3 of stride 2; in each unit three convolutions of 32 and pooling 3x3 of
    stride 1; a convolution to 8 channels, pooling 3x3 of stride 2, one fully connected layer.

    Raises:
        IngestError: there is no such task.
    """
    check_choice("task", task, GAMES)
    game = GAMES[task]
    parts = [*_convolutions(3, [32]), nn.MaxPool2d(3, 2)]
    for _ in range(game.units):
        parts += [*_convolutions(32, [32, 32, 32]), nn.MaxPool2d(3, 1)]
    parts += [*_convolutions(32, [8]), nn.MaxPool2d(3, 2)]
    return SmallCnn(nn.Sequential(*parts), nn.Linear(game.flat, game.classes))


def noscope_cnn(task: str) -> SmallCnn:
    """Make the network of a NoScope task (`NOSCOPE`) for images `[batch, 3, 50, 50]`: 360,578 to 1,318,818 parameters.

    Raises:
        IngestError: there is no such task.
    """
    check_choice("task", task, NOSCOPE)
    camera = NOSCOPE[task]
    parts: list[nn.Module] = []
    inputs = 3
    for width in camera.stages:
        parts += [*_convolutions(inputs, [width, width]), nn.MaxPool2d(2)]
        inputs = width
    classifier = nn.Sequential(nn.Linear(camera.flat, camera.dense), nn.ReLU(), nn.Linear(camera.dense, 2))
    return SmallCnn(nn.Sequential(*parts), classifier)


def _convolutions(inputs: int, widths: Sequence[int]) -> list[nn.Module]:
    pairs = zip((inputs, *widths), widths, strict=False)
    return [part for before, after in pairs for part in (nn.Conv2d(before, after, 3, padding=1), nn.ReLU())]
