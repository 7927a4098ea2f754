"""What the outputs of an exit are called in its segment."""

from dataclasses import dataclass

__all__ = ["ExitNames"]


@dataclass(frozen=True, kw_only=True)
class ExitNames:
    """Names of an exit's outputs, as the manifest's `segments` has them.

    Attributes:
        logits: output `[batch, classes]`, or `[batch, classes, height, width]`.
        score: output `[batch] float32`: `score_<k>` for exit `k`. A graph that was stripped does not have it.
    """

    logits: str
    score: str
