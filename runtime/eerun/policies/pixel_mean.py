"""From one score a pixel to one score a sample."""

from typing import Any

import numpy as np

from eerun.policies.base import F32, GraphOps

__all__ = ["lower_pixel_mean", "pixel_mean"]

MAP_RANK = 4
"""Axes of logits with one answer a pixel: batch, classes, height, width."""


def pixel_mean(scores: F32) -> F32:
    """Return the mean of scores `[batch, height, width]` over a sample's pixels, `[batch] float32`.

    Scores `[batch]` are returned as they are.
    """
    if scores.ndim == 1:
        return scores
    means: F32 = scores.mean(axis=(1, 2), dtype=np.float32)
    return means


def lower_pixel_mean(ops: GraphOps, logits: Any, scores: Any) -> Any:
    """Append the same mean where the logits have one answer a pixel; else append nothing and return the scores.

    Args:
        ops: where the node goes.
        logits: handle of the logits, whose rank tells which of the two it is.
        scores: handle of `[batch]` or `[batch, height, width]` scores made from them.
    """
    if ops.rank(logits) != MAP_RANK:
        return scores
    pixel_axes = ops.constant(np.array([1, 2], np.int64))
    return ops.op("ReduceMean", scores, pixel_axes, keepdims=0)
