"""What of a convolutional trunk lies behind a tap, stage by stage; a stage is a run of taps of one shape."""

from dataclasses import dataclass
from itertools import groupby, pairwise

from eecompile.heads.base import HeadContext

__all__ = ["SizeChange", "later_stages", "size_change", "stages_refusal"]


@dataclass(frozen=True, kw_only=True)
class SizeChange:
    """How a map changes its size.

    Attributes:
        stride: of a 3x3 convolution with a border of 1, by height and width.
        scale: of the enlargement in front of it, by height and width.
    """

    stride: tuple[int, int]
    scale: tuple[int, int]


def later_stages(context: HeadContext) -> tuple[tuple[int, ...], ...]:
    """Shapes `(channels, height, width)` of the stages behind the tap, one for each.

    The stage of the tap itself counts where it is not finished, so that a tap of that shape comes later.
    """
    return tuple(shape for shape, _ in groupby(tap.shape for tap in context.later if tap.is_map))


def size_change(before: tuple[int, ...], after: tuple[int, ...]) -> SizeChange | None:
    """How a map of shape `before` becomes one of the height and width of `after`; None if no whole numbers do it."""
    axes = [_axis(old, new) for old, new in zip(before[1:], after[1:], strict=True)]
    (height, width) = axes
    if height is None or width is None:
        return None
    return SizeChange(stride=(height[0], width[0]), scale=(height[1], width[1]))


def stages_refusal(context: HeadContext) -> str | None:
    """Why no chain of bottlenecks leads from the tap to the last stage, or None."""
    shapes = (context.tap.shape, *later_stages(context))
    for before, after in pairwise(shapes):
        if size_change(before, after) is None:
            return f"a map goes from {list(before)} to {list(after)}, expected sizes that a whole stride or scale joins"
    return None


def _axis(old: int, new: int) -> tuple[int, int] | None:
    """Stride and scale of one axis."""
    if new > old:
        return (1, new // old) if new % old == 0 else None
    stride = -(-old // new)
    return (stride, 1) if -(-old // stride) == new else None
