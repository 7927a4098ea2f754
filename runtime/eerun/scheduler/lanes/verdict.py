"""Who is answered at an exit, and which rows go on."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array

__all__ = ["NOBODY", "Verdict"]

NOBODY: NDArray[np.intp] = np.zeros(0, np.intp)
NOBODY.flags.writeable = False


class Verdict(NamedTuple):
    """What an exit decided. Samples are numbered through the rows: `row · fold + image`.

    Attributes:
        answered: `[answered] intp` the samples that get their answer here.
        late: `[late] intp` those that had it before, are watched, and hear what the final exit says.
        stay: `[stay] intp` the rows that go on, ascending.
        facts: what is known of each row from here on; see `RowFacts.arrays`.
    """

    answered: NDArray[np.intp]
    late: NDArray[np.intp]
    stay: NDArray[np.intp]
    facts: tuple[Array, ...]
