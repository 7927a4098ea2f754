"""A bottleneck block that takes a map from one stage to the next (He et al. 2016; as exits use it: PAME)."""

from torch import Tensor, nn
from torch.nn import functional

from eecompile.heads.later_stages import SizeChange, size_change
from eecompile.heads.modules.conv_norm import conv_norm
from eengines.errors import BuildError

__all__ = ["EXPANSION", "Bottleneck", "bottlenecks"]

EXPANSION = 4
"""Channels of the result for each channel inside."""


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, added to a 1x1 convolution of the input; batch normalisation behind each.

    Parameters, with i = outputs / 4 inside: inputs·i + 9·i² + i·outputs + inputs·outputs + 2·(2·i + 2·outputs).

    Args:
        inputs: channels of the input.
        outputs: channels of the result.
        change: stride of the 3x3 convolution and the shortcut; bilinear enlargement in front of everything.
    """

    def __init__(self, inputs: int, outputs: int, change: SizeChange) -> None:
        super().__init__()
        inside = max(1, outputs // EXPANSION)
        enlarged = change.scale != (1, 1)
        self.enlarge = nn.Upsample(scale_factor=change.scale, mode="bilinear") if enlarged else nn.Identity()
        self.body = nn.Sequential(
            conv_norm(inputs, inside, 1),
            conv_norm(inside, inside, 3, stride=change.stride),
            conv_norm(inside, outputs, 1, relu=False),
        )
        self.shortcut = conv_norm(inputs, outputs, 1, stride=change.stride, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, inputs, height, width] float32` to `[batch, outputs, changed height, changed width]`."""
        x = self.enlarge(x)
        return functional.relu(self.body(x) + self.shortcut(x))


def bottlenecks(shape: tuple[int, ...], stages: tuple[tuple[int, ...], ...]) -> nn.Sequential:
    """One bottleneck for each stage, from a map of `shape` to one of the last stage's shape.

    Raises:
        BuildError: sizes that no whole stride or scale joins; `stages_refusal` tells before.
    """
    blocks = []
    for stage in stages:
        change = size_change(shape, stage)
        if change is None:
            problem = f"got {list(shape)} in front of {list(stage)}, expected a whole stride or scale"
            raise BuildError("bottleneck", problem, "Choose a head that refusal does not refuse")
        blocks.append(Bottleneck(shape[0], stage[0], change))
        shape = stage
    return nn.Sequential(*blocks)
