"""The head of an encoder: BERT's pooler on the first token."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eecompile.heads.base import HeadContext, HeadKind
from eecompile.heads.reasons import not_one_row, not_tokens

if TYPE_CHECKING:
    from torch import nn

__all__ = ["PoolerHead"]


@dataclass(frozen=True, kw_only=True)
class PoolerHead(HeadKind):
    """Linear layer and tanh on the first token, then a linear layer (BERT's pooler; EENet's exits of `bert_4`).

    Reads `[batch, tokens, width]` with any number of tokens.

    Parameters, with w the width of a token and C classes: w² + w + w·C + C.
    """

    name: ClassVar[str] = "pooler"

    def refusal(self, context: HeadContext) -> str | None:
        """It needs tokens, and a trunk that answers one row of classes."""
        return not_one_row(context) or not_tokens(context)

    def make(self, context: HeadContext) -> "nn.Module":
        """Weights: drawn so that values keep their size."""
        from eecompile.heads.modules.first_token import token_pooler

        return token_pooler(context.tap.shape[1], context.classes, dropout=0.0)
