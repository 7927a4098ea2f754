"""Gati's Pool: a hidden layer on the feature, averaged to a given length."""

from dataclasses import dataclass
from math import gcd, prod
from typing import TYPE_CHECKING, ClassVar

from eecompile.heads.base import HeadContext, HeadKind
from eecompile.heads.reasons import not_one_row, tokens

if TYPE_CHECKING:
    from torch import nn

__all__ = ["PoolHead"]


@dataclass(frozen=True, kw_only=True)
class PoolHead(HeadKind):
    """Adaptive average pool, linear layer, ReLU, linear layer (Gati, arXiv 2101.07344, predictor "Pool").

    Reads `[batch, channels, height, width]` or `[batch, features]`; the pool is one-dimensional, over the flattened
    feature. A feature of F values that is shorter than `size` is not pooled. Gives raw logits, as `fc` does.

    Parameters, with p = min(size, F) and C classes: p·hidden + hidden + hidden·C + C.

    Attributes:
        size: values that are left.
        hidden: width of the hidden layer.
    """

    name: ClassVar[str] = "pool"

    size: int = 4096
    hidden: int = 1024

    def refusal(self, context: HeadContext) -> str | None:
        """As `fc`; and `size` and F must have divisors in common, or pooling costs more than the layer behind it."""
        return not_one_row(context) or tokens(context) or self._pool_refusal(prod(context.tap.shape))

    def make(self, context: HeadContext) -> "nn.Module":
        """Weights: He for the hidden layer."""
        from torch import nn

        from eecompile.heads.modules.adaptive_pool import adaptive_pool
        from eecompile.heads.modules.fresh import before_relu, fresh

        features = prod(context.tap.shape)
        size = min(self.size, features)
        return nn.Sequential(
            nn.Flatten(),
            adaptive_pool(features, size),
            before_relu(nn.Linear(size, self.hidden)),
            nn.ReLU(),
            fresh(nn.Linear(self.hidden, context.classes)),
        )

    def _pool_refusal(self, features: int) -> str | None:
        size = min(self.size, features)
        shares, weights = features * size // gcd(features, size) ** 2, size * self.hidden
        if features % size == 0 or shares <= weights:
            return None
        return (
            f"pooling {features} values to {size} takes a table of {shares}, expected at most the {weights} weights of "
            "the layer behind it: a size with more divisors in common"
        )
