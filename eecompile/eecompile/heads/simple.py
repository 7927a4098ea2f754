"""PAME's simple exit: one bottleneck in the width of the tap."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eecompile.heads.base import HeadContext, HeadKind
from eecompile.heads.dense_size import output_refusal
from eecompile.heads.reasons import not_a_map

if TYPE_CHECKING:
    from torch import nn

__all__ = ["SimpleHead"]


@dataclass(frozen=True, kw_only=True)
class SimpleHead(HeadKind):
    """One bottleneck with as many channels as the tap, then global average pool and linear layer (PAME, ICS 2022).

    Reads `[batch, channels, height, width]`. Where the trunk's answer is dense: the bottleneck, 3x3 convolution, batch
    normalisation and ReLU to a quarter of the channels, 1x1 convolution, bilinear enlargement by a whole factor.

    Parameters, with n channels, i = n/4 and C classes: bottleneck 2·n·i + 9·i² + n² + 4·i + 4·n; behind it n·C + C;
    dense: 9·n·i + 2·i + i·C + C.
    """

    name: ClassVar[str] = "simple"

    def refusal(self, context: HeadContext) -> str | None:
        """It needs a map; for dense answers one that a whole factor enlarges to them."""
        if context.is_dense:
            return not_a_map(context) or output_refusal(context.tap.shape, context.output)
        return not_a_map(context)

    def make(self, context: HeadContext) -> "nn.Module":
        """Weights: He in front of a ReLU."""
        from torch import nn

        from eecompile.heads.modules.bottleneck import bottlenecks
        from eecompile.heads.modules.dense import dense_head, enlarge
        from eecompile.heads.modules.global_linear import global_linear

        shape, classes = context.tap.shape, context.classes
        body = bottlenecks(shape, (shape,))
        if context.is_dense:
            return nn.Sequential(body, dense_head(shape[0], classes), enlarge(shape, context.output))
        return nn.Sequential(body, global_linear(shape[0], classes))
