"""PAME's exit for poses: the remainder, and transposed convolutions up to the size of the heat-maps."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eecompile.heads.base import HeadContext, HeadKind
from eecompile.heads.later_stages import later_stages, stages_refusal
from eecompile.heads.reasons import not_a_map, not_dense

if TYPE_CHECKING:
    from torch import nn

__all__ = ["DeconvHead"]

KERNEL = 4


@dataclass(frozen=True, kw_only=True)
class DeconvHead(HeadKind):
    """One bottleneck for each stage that is left, 4x4 transposed convolutions with stride 2, 1x1 convolution.

    PAME's exit for poses (ICS 2022), with the head of Xiao et al. (ECCV 2018). Each transposed convolution doubles the
    map and is followed by batch normalisation and ReLU; there are as many as the answer needs, three in the original.
    The output channels are heat-maps of joints, or classes. Reads `[batch, channels, height, width]`.

    Parameters: bottlenecks as in `remainder`; transposed convolutions 16·n·width + 2·width, with n channels in front of
    the first and `width` in front of the others; width·C + C.

    Attributes:
        width: channels of the transposed convolutions.
    """

    name: ClassVar[str] = "deconv"

    width: int = 256

    def refusal(self, context: HeadContext) -> str | None:
        """It needs a map and a dense answer that is larger by 2, 4, 8, ... than the last map of the trunk."""
        return not_dense(context) or not_a_map(context) or stages_refusal(context) or _not_doubled(context)

    def make(self, context: HeadContext) -> "nn.Module":
        """Weights: He in front of a ReLU."""
        from torch import nn

        from eecompile.heads.modules.bottleneck import bottlenecks
        from eecompile.heads.modules.fresh import before_relu, fresh

        stages = later_stages(context)
        channels, height, _ = _last(context)
        layers: list[nn.Module] = []
        for _ in range((context.output[1] // height).bit_length() - 1):
            layer = nn.ConvTranspose2d(channels, self.width, KERNEL, stride=2, padding=1, bias=False)
            layers += [before_relu(layer), nn.BatchNorm2d(self.width), nn.ReLU()]
            channels = self.width
        body = bottlenecks(context.tap.shape, stages)
        return nn.Sequential(body, *layers, fresh(nn.Conv2d(channels, context.classes, 1)))


def _last(context: HeadContext) -> tuple[int, ...]:
    """Shape of the last map of the trunk."""
    return (context.tap.shape, *later_stages(context))[-1]


def _not_doubled(context: HeadContext) -> str | None:
    _, height, width = _last(context)
    factor = context.output[1] // height
    doubled = factor >= 2 and factor & (factor - 1) == 0
    if doubled and context.output[1:] == (height * factor, width * factor):
        return None
    got = f"{height}x{width} before an answer of {context.output[1]}x{context.output[2]}"
    return f"the last map is {got}, expected one that is smaller by 2, 4, 8, ..."
