"""Which images of a call share a row of a folded network."""

from collections.abc import Mapping
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array
from eerun.folding.easiness import Easiness

__all__ = ["Grouping", "order_of"]


class Grouping(StrEnum):
    """Which images of a call share a row.

    arrival: neighbours, in the order in which they are given. easy: likely-easy ones together, as predicted from cheap
    statistics of the images, so that groups leave together.
    """

    ARRIVAL = "arrival"
    EASY = "easy"


def order_of(inputs: Mapping[str, Array], easiness: Easiness, fold: int) -> NDArray[np.intp] | None:
    """Return in which order images go into rows, `[images] intp`, likely-easy ones first; None: as they are given.

    Args:
        inputs: raw images `[images, ...]` by input name.
        easiness: what predicts.
        fold: images a row; so few share one in any case, and stay in their order.
    """
    if len(inputs[easiness.input]) <= fold:
        return None
    return easiness.order(inputs)
