"""Gati's Conv: one small convolution along the feature."""

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, ClassVar

from eecompile.heads.base import HeadContext, HeadKind
from eecompile.heads.reasons import not_one_row, tokens

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ConvHead"]


@dataclass(frozen=True, kw_only=True)
class ConvHead(HeadKind):
    """One-dimensional convolution, ReLU, linear layer (Gati, arXiv 2101.07344, predictor "Conv").

    Reads `[batch, channels, height, width]` or `[batch, features]`; the convolution has one channel and runs along the
    flattened feature, without a border. Gives raw logits, as `fc` does.

    Parameters, with F values a feature, L = floor((F - kernel) / stride) + 1 and C classes: kernel + 1 + L·C + C.

    Attributes:
        kernel: values that one result reads.
        stride: values from one result to the next.
    """

    name: ClassVar[str] = "conv"

    kernel: int = 3
    stride: int = 1

    def refusal(self, context: HeadContext) -> str | None:
        """As `fc`; and the feature must not be shorter than the kernel."""
        return not_one_row(context) or tokens(context) or self._short(prod(context.tap.shape))

    def make(self, context: HeadContext) -> "nn.Module":
        """Weights: He for the convolution, without their signs.

        Features behind a ReLU are not negative; a single filter that starts below zero would be dead behind its own.
        """
        import torch
        from torch import nn

        from eecompile.heads.modules.fresh import before_relu, fresh

        features = prod(context.tap.shape)
        length = (features - self.kernel) // self.stride + 1
        filter_ = before_relu(nn.Conv1d(1, 1, self.kernel, stride=self.stride))
        with torch.no_grad():
            filter_.weight.abs_()
        return nn.Sequential(
            nn.Flatten(),
            nn.Unflatten(1, (1, features)),
            filter_,
            nn.ReLU(),
            nn.Flatten(),
            fresh(nn.Linear(length, context.classes)),
        )

    def _short(self, features: int) -> str | None:
        if features >= self.kernel:
            return None
        return f"the feature has {features} values, expected at least the {self.kernel} of the kernel"
