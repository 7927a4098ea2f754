"""How well heads answer held-out samples."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Answers", "Score", "score_answers"]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Logits of one batch.

    Attributes:
        logits: by name of exit, `[batch, classes]` or `[batch, classes, height, width]`.
        trunk: the trunk's own.
        labels: `[batch]` or `[batch, height, width]` int64, or None.
    """

    logits: Mapping[str, Tensor]
    trunk: Tensor
    labels: Tensor | None


@dataclass(frozen=True, kw_only=True)
class Score:
    """Shares of samples, or of pixels where answers are dense.

    Attributes:
        agreement: answered as the trunk does.
        accuracy: answered as labelled; None without labels. Pixels that do not count are left out.
    """

    agreement: float
    accuracy: float | None


def score_answers(batches: Iterable[Answers], *, ignored: int | None) -> dict[str, Score]:
    """Count equal answers over all batches.

    Args:
        batches: answers in evaluation mode.
        ignored: the label of pixels that do not count; None where all do.

    Returns:
        Name of exit -> score. An answer that is not finite counts as wrong.
    """
    agreed: dict[str, int] = {}
    right: dict[str, int] = {}
    units = labelled = 0
    for batch in batches:
        trunk = batch.trunk.argmax(1)
        units += trunk.numel()
        counted = None if batch.labels is None else _counted(batch.labels, ignored)
        labelled += 0 if counted is None else int(counted.sum())
        for name, logits in batch.logits.items():
            answer = torch.where(logits.isfinite().all(1), logits.argmax(1), -1)
            agreed[name] = agreed.get(name, 0) + int((answer == trunk).sum())
            if counted is not None:
                right[name] = right.get(name, 0) + int(((answer == batch.labels) & counted).sum())
    return {
        name: Score(agreement=count / units, accuracy=right[name] / max(1, labelled) if right else None)
        for name, count in agreed.items()
    }


def _counted(labels: Tensor, ignored: int | None) -> Tensor:
    return torch.ones_like(labels, dtype=torch.bool) if ignored is None else labels != ignored
