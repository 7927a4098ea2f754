"""A cheap head that looks further than one position: two strided convolutions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eecompile.heads.base import HeadContext, HeadKind
from eecompile.heads.reasons import not_a_map, not_one_row

if TYPE_CHECKING:
    from torch import nn

__all__ = ["StridedHead"]


@dataclass(frozen=True, kw_only=True)
class StridedHead(HeadKind):
    """Twice 3x3 convolution with stride 2, batch normalisation and ReLU, then global average pool and linear layer.

    The classifier of MSDNet (Huang et al., ICLR 2018), which has a width of 128; narrower it costs a few per cent of a
    stage. Reads `[batch, channels, height, width]` of any size.

    Parameters, with C classes: 9·channels·width + 9·width² + 4·width + width·C + C.

    Attributes:
        width: channels of both convolutions.
    """

    name: ClassVar[str] = "strided"

    width: int = 32

    def refusal(self, context: HeadContext) -> str | None:
        """It needs a map, and a trunk that answers one row of classes."""
        return not_one_row(context) or not_a_map(context)

    def make(self, context: HeadContext) -> "nn.Module":
        """Weights: He for the convolutions."""
        from torch import nn

        from eecompile.heads.modules.conv_norm import conv_norm
        from eecompile.heads.modules.global_linear import global_linear

        return nn.Sequential(
            conv_norm(context.tap.shape[0], self.width, 3, stride=(2, 2)),
            conv_norm(self.width, self.width, 3, stride=(2, 2)),
            global_linear(self.width, context.classes),
        )
