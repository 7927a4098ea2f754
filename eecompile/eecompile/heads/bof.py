"""Predictive Exit's head: Bag-of-Features pooling, with layers that heads share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eecompile.heads.base import HeadContext, HeadKind
from eecompile.heads.reasons import not_a_map, not_one_row

if TYPE_CHECKING:
    from torch import nn

__all__ = ["BofHead"]


@dataclass(frozen=True, kw_only=True)
class BofHead(HeadKind):
    """Similarities to codewords, averaged over windows, then linear layers (Predictive Exit, arXiv 2206.04685).

    Reads `[batch, channels, height, width]`. Heads of one network share the codebook where their maps have the same
    channels, the layer to `hidden` where as many values go into it, and the last layer. With a single window and
    `codewords` equal to `hidden` only the last layer is used. As in the original, nothing is between the linear layers.

    Parameters, with W windows and C classes, each counted once for all heads that share it: codebook
    channels·codewords + codewords + 4; codewords·W·hidden + hidden; hidden·C + C.

    Attributes:
        codewords: how many.
        hidden: values between the two layers.
        window: side of the windows. 0: half of the map's height and width, rounded down, so that there are 2 × 2
            windows at even sizes: 16, 8, 4 and 2 for maps of 32, 16, 8 and 4. Behind the pool at the end of a stage the
            original keeps the window of the stage, which leaves 1 × 1: say `window=16` there.
    """

    name: ClassVar[str] = "bof"
    least: ClassVar[Mapping[str, int]] = {"window": 0}

    codewords: int = 64
    hidden: int = 64
    window: int = 0

    def refusal(self, context: HeadContext) -> str | None:
        """It needs a map that holds a window, and a trunk that answers one row of classes."""
        return not_one_row(context) or not_a_map(context) or self._small(context.tap.shape)

    def make(self, context: HeadContext) -> "nn.Module":
        """Weights: see `Codebook`; of shared parts, those of the head that was made first."""
        from torch import nn

        from eecompile.heads.modules.bag_of_features import BagOfFeatures, Codebook
        from eecompile.heads.modules.fresh import fresh

        channels, height, width = context.tap.shape
        window = self._window(height, width)
        values = self.codewords * (height // window[0]) * (width // window[1])

        def shared_linear(inputs: int, outputs: int, *, part: str) -> nn.Module:
            return context.shared.get(f"bof/{part}/{inputs}x{outputs}", lambda: fresh(nn.Linear(inputs, outputs)))

        codebook = context.shared.get(
            f"bof/codebook/{channels}x{self.codewords}", lambda: Codebook(channels, self.codewords, window[0])
        )
        hidden = [] if values == self.hidden else [shared_linear(values, self.hidden, part="hidden")]
        return BagOfFeatures(codebook, window, [*hidden, shared_linear(self.hidden, context.classes, part="last")])

    def _window(self, height: int, width: int) -> tuple[int, int]:
        if self.window:
            return self.window, self.window
        return max(1, height // 2), max(1, width // 2)

    def _small(self, shape: tuple[int, ...]) -> str | None:
        if self.window <= min(shape[1:]):
            return None
        return f"the map is {shape[1]}x{shape[2]}, expected at least one window of {self.window}x{self.window}"
