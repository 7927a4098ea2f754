"""How good answers are, as lines of text."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from eerun.bench.shares import share_alike
from eerun.bench.table import share
from eerun.data import Labels, ignored_label
from eerun.mean_iou import mean_iou

__all__ = ["quality_lines"]


def quality_lines(answers: NDArray[Any], labels: Labels, output: Sequence[int]) -> list[str]:
    """Return accuracy; of maps the share of right pixels, and mean IoU.

    Args:
        answers: `[samples, *map]` classes.
        labels: the same.
        output: shape of one sample's logits.
    """
    ignored = ignored_label(output)
    right = share(share_alike(answers, labels, ignored), 2)
    if len(output) == 1:
        return [f"accuracy {right}"]
    iou = mean_iou(answers, labels, classes=output[0], ignored=ignored)
    return [f"pixel accuracy {right}", f"mean IoU {share(iou, 2)}"]
