"""Mean intersection over union: how well maps of classes cover those of a reference."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eerun.count_alike import blocks

__all__ = ["mean_iou"]


def mean_iou(answers: NDArray[Any], labels: NDArray[Any], *, classes: int, ignored: int | None) -> float:
    """Return the mean over classes of TP / (TP + FP + FN), counted over the pixels of all samples together.

    A class that neither answers nor labels have is left out of the mean.

    Source: Everingham et al., "The Pascal Visual Object Classes Challenge: A Retrospective", IJCV 2015, segmentation.

    Args:
        answers: `[samples, height, width]` integers below `classes`.
        labels: the same, or `ignored`; at least one pixel counts.
        classes: number of classes.
        ignored: the label of pixels that do not count, or None.
    """
    both, said, true = (np.zeros(classes, np.int64) for _ in range(3))
    for rows in blocks(answers):
        got, wanted = answers[rows].ravel(), labels[rows].ravel()
        if ignored is not None:
            counts = wanted != ignored
            got, wanted = got[counts], wanted[counts]
        said += np.bincount(got, minlength=classes)
        true += np.bincount(wanted, minlength=classes)
        both += np.bincount(got[got == wanted], minlength=classes)
    union = said + true - both
    present = union > 0
    return float((both[present] / union[present]).mean())
