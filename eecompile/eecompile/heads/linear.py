"""The cheapest head: average, then one linear layer; for dense answers a 1x1 convolution."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eecompile.heads.base import HeadContext, HeadKind
from eecompile.heads.dense_size import output_refusal
from eecompile.heads.reasons import not_a_map, not_one_row, tokens

if TYPE_CHECKING:
    from torch import nn

__all__ = ["LinearHead"]


@dataclass(frozen=True, kw_only=True)
class LinearHead(HeadKind):
    """Average pool to side × side, then one linear layer: next to nothing beside a stage.

    Reads `[batch, channels, height, width]`, or `[batch, features]` without the pool. Where the trunk's answer is
    dense: a 1x1 convolution on the map and bilinear enlargement by a whole factor.

    Parameters, with C classes: channels·side²·C + C; features·C + C; dense: channels·C + C.

    Attributes:
        side: of the map that is left; must divide height and width. 1 where there is no pool.
    """

    name: ClassVar[str] = "linear"

    side: int = 1

    def refusal(self, context: HeadContext) -> str | None:
        """It needs a map or a vector of fixed size; for dense answers a map that a whole factor enlarges to them."""
        if context.is_dense:
            return not_a_map(context) or output_refusal(context.tap.shape, context.output) or self._pools_not(context)
        if context.tap.is_map:
            return not_one_row(context) or self._uneven(context.tap.shape)
        return tokens(context) or self._pools_not(context)

    def make(self, context: HeadContext) -> "nn.Module":
        """Weights: drawn so that logits start with the size of the feature's values."""
        from torch import nn

        from eecompile.heads.modules.dense import enlarge
        from eecompile.heads.modules.fresh import fresh
        from eecompile.heads.modules.global_linear import global_linear

        shape, classes = context.tap.shape, context.classes
        if context.is_dense:
            return nn.Sequential(fresh(nn.Conv2d(shape[0], classes, 1)), enlarge(shape, context.output))
        if not context.tap.is_map:
            return nn.Sequential(nn.Flatten(), fresh(nn.Linear(shape[0], classes)))
        if self.side == 1:
            return global_linear(shape[0], classes)
        pool = nn.AvgPool2d((shape[1] // self.side, shape[2] // self.side))
        return nn.Sequential(pool, nn.Flatten(), fresh(nn.Linear(shape[0] * self.side**2, classes)))

    def _pools_not(self, context: HeadContext) -> str | None:
        if self.side == 1:
            return None
        why = "answers are dense" if context.is_dense else "the feature is a vector"
        return f"got side={self.side}, expected side=1: nothing is pooled where {why}"

    def _uneven(self, shape: tuple[int, ...]) -> str | None:
        if shape[1] % self.side == shape[2] % self.side == 0:
            return None
        return f"the map is {shape[1]}x{shape[2]}, expected sides that {self.side} divides"
