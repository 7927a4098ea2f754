"""How sure the network without exit heads is: it has no policy, so that its confidence is a probability.

It is a chain of one segment whose `score` is the name of its logits.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array
from eerun.executor.chain import ChainSegment

__all__ = ["score_buffer", "scoring", "write_whole_confidence"]


def score_buffer(segment: ChainSegment, buffer: Callable[[str], Array], *, fold: int) -> Array:
    """Return where the scores of a segment are, `[rows] float32`, of a folded network `[rows, fold]`.

    Args:
        segment: what makes them; where it makes only logits they have an array of their own.
        buffer: gives the buffer of a value.
        fold: images a row.
    """
    if segment.score != segment.logits:
        return buffer(segment.score)
    return np.zeros(buffer(segment.logits).shape[: 1 if fold == 1 else 2], np.float32)


def scoring(segment: ChainSegment, logits: Array, scores: Array, *, fold: int) -> tuple[Callable[[], None], ...]:
    """Return what makes the scores behind a segment's run; nothing where its graph does."""
    if segment.score != segment.logits:
        return ()
    return (partial(write_whole_confidence, logits, scores, fold=fold),)


def write_whole_confidence(logits: Array, confidence: NDArray[np.float32], *, fold: int) -> None:
    """Write the probability of the answered class, `1 / Σ exp(logit - largest logit)`; of maps its mean over pixels.

    Args:
        logits: `[rows, classes]`, `[rows, classes, height, width]`, or of a folded network `[rows, fold, classes]`.
        confidence: `[rows] float32`, or `[rows, fold]`: what is written.
        fold: images a row.
    """
    axis = 1 if fold == 1 else 2
    values = np.asarray(logits, np.float32)
    with np.errstate(invalid="ignore"):  # logits that are not finite: the confidence is not a number
        shares = 1 / np.exp(values - values.max(axis=axis, keepdims=True)).sum(axis=axis)
    confidence[:] = shares.reshape(*confidence.shape, -1).mean(axis=-1)
