"""Which classes an epoch learns (Kosaian et al., FoldedCNNs, 2021: curriculum learning over classes)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eengines.errors import UserError

__all__ = ["Curriculum"]


class Curriculum:
    """Starts with max(C // 10, f) of C classes and adds max(C // 10, 1) at a time, by label, until all are there.

    Args:
        labels: `[images]`, the class of each training image.
        classes: C, how many classes there are.
        factor: f, images a row.
        epochs: of the training.
        every: after how many epochs classes are added; None: so that the second half of the epochs has them all.

    Raises:
        UserError: the training ends before all classes are there.
    """

    def __init__(
        self, labels: NDArray[np.integer[Any]], classes: int, factor: int, epochs: int, every: int | None
    ) -> None:
        self._labels, self._classes, self._factor = labels, classes, factor
        self._start, self._step = min(max(classes // 10, factor), classes), max(classes // 10, 1)
        additions = -(-(classes - self._start) // self._step)
        self.every = max(1, epochs // max(1, 2 * additions)) if every is None else every
        if additions * self.every >= epochs:
            problem = f"all {classes} classes are there after {additions * self.every} epochs, but there are {epochs}"
            remedy = "Give more --epochs" if every is None else "Give more --epochs, or fewer --curriculum-epochs"
            raise UserError("--curriculum", problem, remedy)

    def classes_in(self, epoch: int) -> int:
        """How many classes, from label 0 on, an epoch learns; `epoch` counts from 0."""
        return min(self._classes, self._start + self._step * (epoch // self.every))

    def images_in(self, epoch: int) -> NDArray[np.int64]:
        """The indices of the images that an epoch learns; all of them where these would not fill two rows."""
        found = np.flatnonzero(self._labels < self.classes_in(epoch))
        return found if len(found) >= 2 * self._factor else np.arange(len(self._labels))
