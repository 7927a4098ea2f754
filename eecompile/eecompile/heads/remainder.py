"""PAME's exit: a short copy of what is left of the trunk, and the trunk's own head."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eecompile.heads.base import HeadContext, HeadKind
from eecompile.heads.dense_size import output_refusal
from eecompile.heads.later_stages import later_stages, stages_refusal
from eecompile.heads.reasons import not_one_row

if TYPE_CHECKING:
    from torch import nn

__all__ = ["RemainderHead"]

DROPOUT = 0.1


@dataclass(frozen=True, kw_only=True)
class RemainderHead(HeadKind):
    """The compressed remainder (PAME, ICS 2022): one bottleneck for each stage that is left, then the task's own head.

    Reads `[batch, channels, height, width]` or `[batch, tokens, width]`. A stage is a run of later taps of one shape;
    the tap's own stage counts where it is not finished. The bottlenecks end in the shape of the last map of the trunk.
    Behind them is a copy of the trunk's own head with its weights; where that is unknown or does not fit, global
    average pool and linear layer, or for dense answers 3x3 convolution, batch normalisation and ReLU to a quarter of
    the channels, 1x1 convolution, and bilinear enlargement. Of an encoder no layer is copied: the head is the trunk's
    own, or linear layer and tanh on the first token, dropout, linear layer.

    Parameters: of a bottleneck from n to m channels, with i = m/4: n·i + 9·i² + i·m + n·m + 4·i + 4·m; of the head
    behind them as in `simple`; of an encoder of width w, with C classes: w² + w + w·C + C.
    """

    name: ClassVar[str] = "remainder"

    def refusal(self, context: HeadContext) -> str | None:
        """Something must be left of the trunk behind the tap, in sizes that strides or whole factors reach."""
        tap = context.tap
        if not tap.is_map and not tap.is_tokens:
            return f"got a vector {list(tap.shape)}, expected a map or tokens"
        if not any(len(later.shape) == len(tap.shape) for later in context.later):
            return (
                "nothing of the trunk is left behind this tap but its own head, expected a later tap of the same kind"
            )
        if tap.is_tokens:
            return not_one_row(context)
        refused = stages_refusal(context)
        if refused is None and context.is_dense:
            return output_refusal(later_stages(context)[-1], context.output)
        return refused

    def make(self, context: HeadContext) -> "nn.Module":
        """Weights: He in front of a ReLU; those of the trunk in the copy of its own head."""
        from torch import nn

        from eecompile.heads.modules.bottleneck import bottlenecks
        from eecompile.heads.modules.first_token import token_pooler
        from eecompile.heads.modules.own_head import own_head_copy

        shape = context.tap.shape
        if context.tap.is_tokens:
            return own_head_copy(context, shape) or token_pooler(shape[1], context.classes, dropout=DROPOUT)
        stages = later_stages(context)
        head = own_head_copy(context, stages[-1]) or _fresh_head(context, stages[-1])
        return nn.Sequential(bottlenecks(shape, stages), head)


def _fresh_head(context: HeadContext, shape: tuple[int, ...]) -> "nn.Module":
    """A head for a map of `shape`."""
    from torch import nn

    from eecompile.heads.modules.dense import dense_head, enlarge
    from eecompile.heads.modules.global_linear import global_linear

    if not context.is_dense:
        return global_linear(shape[0], context.classes)
    return nn.Sequential(dense_head(shape[0], context.classes), enlarge(shape, context.output))
