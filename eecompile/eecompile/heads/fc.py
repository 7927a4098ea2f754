"""Gati's FC: a hidden layer on the whole feature."""

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, ClassVar

from eecompile.heads.base import HeadContext, HeadKind
from eecompile.heads.reasons import not_one_row, tokens

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FcHead"]


@dataclass(frozen=True, kw_only=True)
class FcHead(HeadKind):
    """Linear layer on the flattened feature, ReLU, linear layer (Gati, arXiv 2101.07344, predictor "FC").

    Reads `[batch, channels, height, width]` or `[batch, features]`. Gives raw logits where the original ends in a
    log-softmax: softmax and its losses do not change when all logits of a sample shift.

    Parameters, with F values a feature and C classes: F·hidden + hidden + hidden·C + C.

    Attributes:
        hidden: width of the hidden layer.
    """

    name: ClassVar[str] = "fc"

    hidden: int = 1024

    def refusal(self, context: HeadContext) -> str | None:
        """It needs a feature of fixed size, and a trunk that answers one row of classes."""
        return not_one_row(context) or tokens(context)

    def make(self, context: HeadContext) -> "nn.Module":
        """Weights: He for the hidden layer."""
        from torch import nn

        from eecompile.heads.modules.fresh import before_relu, fresh

        return nn.Sequential(
            nn.Flatten(),
            before_relu(nn.Linear(prod(context.tap.shape), self.hidden)),
            nn.ReLU(),
            fresh(nn.Linear(self.hidden, context.classes)),
        )
