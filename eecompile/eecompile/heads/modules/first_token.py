"""Heads of encoders read the first token, in which an encoder gathers what it knows of the whole text."""

from torch import Tensor, nn

from eecompile.heads.modules.fresh import fresh

__all__ = ["FirstToken", "token_pooler"]


class FirstToken(nn.Module):
    """The first token of each sample; how many follow, padding among them, does not matter."""

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, tokens, width] float32` to `[batch, width]`."""
        return x[:, 0]


def token_pooler(width: int, classes: int, *, dropout: float) -> nn.Sequential:
    """The pooler of BERT (Devlin et al. 2019): first token, linear, tanh, dropout, linear.

    Map `[batch, tokens, width]` to `[batch, classes]`. Parameters: width² + width + width · classes + classes.

    Args:
        width: of a token.
        classes: number of classes.
        dropout: share of values set to zero in training; nothing in evaluation mode.
    """
    return nn.Sequential(
        FirstToken(),
        fresh(nn.Linear(width, width)),
        nn.Tanh(),
        nn.Dropout(dropout),
        fresh(nn.Linear(width, classes)),
    )
