"""Rows of training images, anew in every epoch, with what they shall be answered."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from eecompile.fold_training.curriculum import Curriculum
from eecompile.fold_training.partners import draw_rows
from eecompile.fold_training.settings import FoldTrainSettings
from eecompile.fold_training.teacher_logits import TeacherLogits
from eecompile.train.augment import CropFlip
from eecompile.train.sample_reader import SampleReader
from eecompile.train.task import Index

__all__ = ["FoldBatch", "FoldBatches"]


@dataclass(frozen=True, kw_only=True)
class FoldBatch:
    """What a step learns from.

    Attributes:
        rows: `[rows, factor, channels, height, width] float32`.
        teacher: the teacher's logits of these images, `[rows * factor, exits, classes] float32`.
        labels: `[rows * factor]` int64, or None.
    """

    rows: Tensor
    teacher: Tensor
    labels: Tensor | None


class FoldBatches:
    """The rows of every epoch.

    Args:
        reader: of the training images.
        logits: of the teacher, of these images.
        curriculum: which images an epoch learns; None: all.
        settings: fold factor and seed.
    """

    def __init__(
        self, reader: SampleReader, logits: TeacherLogits, curriculum: Curriculum | None, settings: FoldTrainSettings
    ) -> None:
        self._reader, self._logits, self._curriculum, self._settings = reader, logits, curriculum, settings
        self._drawn: tuple[int, NDArray[np.int64], CropFlip | None] | None = None

    def rows_in(self, epoch: int) -> int:
        """How many rows an epoch has; `epoch` counts from 0."""
        return len(self._images(epoch)) // self._settings.factor

    def read(self, positions: Index, epoch: int) -> FoldBatch:
        """Return the rows at `positions` `[rows]` of an epoch; images are augmented before the teacher sees them."""
        rows, change = self._draw(epoch)
        index = rows[positions].reshape(-1)
        images = self._reader.inputs(index, change)[0]
        return FoldBatch(
            rows=images.reshape(-1, self._settings.factor, *images.shape[1:]),
            teacher=self._logits.of(index, images),
            labels=self._reader.labels(index, change),
        )

    def _draw(self, epoch: int) -> tuple[NDArray[np.int64], CropFlip | None]:
        """An epoch's partners and augmentation."""
        if self._drawn is None or self._drawn[0] != epoch:
            settings = self._settings
            rows = draw_rows(self._images(epoch), settings.factor, settings.seed, "partners", epoch)
            self._drawn = (epoch, rows, self._reader.draw(epoch))
        return self._drawn[1:]

    def _images(self, epoch: int) -> NDArray[np.int64]:
        return np.arange(len(self._reader)) if self._curriculum is None else self._curriculum.images_in(epoch)
