"""The teacher's logits of training images: kept, or computed in the step."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from eecompile.fold_training.settings import FoldTrainSettings
from eecompile.fold_training.teacher import Teacher
from eecompile.stages import Stages
from eecompile.train.arithmetic import Arithmetic
from eecompile.train.feature_file import FeatureFile
from eecompile.train.sample_reader import SampleReader
from eecompile.train.task import Index

__all__ = ["TeacherLogits", "teacher_logits"]

LEAST_BATCH = 128
"""Images a pass when logits are kept: without gradients more fit than in a step."""


class TeacherLogits:
    """Answers of the teacher to training images.

    Args:
        teacher: on the device of `arithmetic`.
        arithmetic: in which precision it runs.
        kept: `[images, exits, classes] float32` of the images as they are; None: computed from what is given.
    """

    def __init__(self, teacher: Teacher, arithmetic: Arithmetic, kept: FeatureFile | None) -> None:
        self._teacher, self._arithmetic, self._kept = teacher, arithmetic, kept

    def of(self, index: Index, images: Tensor) -> Tensor:
        """Return `[images, exits, classes] float32` of the images at `index`, which the student sees as `images`."""
        if self._kept is not None:
            return self._kept.read(index).to(self._arithmetic.device)
        with self._arithmetic.mixed():
            return self._teacher.logits(images)


@contextmanager
def teacher_logits(
    teacher: Teacher, reader: SampleReader, settings: FoldTrainSettings, arithmetic: Arithmetic, stages: Stages
) -> Iterator[TeacherLogits]:
    """Compute the logits of all images once, in a memory-mapped file that is gone when the context is left.

    With augmentation an image is another in every epoch; then, and where the file would be larger than
    `settings.cache_bytes`, the teacher answers in every step.

    Raises:
        UserError: the disk has no room for what the bound allows.
    """
    shape = (len(teacher.exits), teacher.classes)
    size = len(reader) * int(np.prod(shape)) * torch.float32.itemsize
    if settings.augmentation != "none" or size > settings.cache_bytes:
        stages.detail("the teacher answers in every step")
        yield TeacherLogits(teacher, arithmetic, None)
        return
    with TemporaryDirectory(prefix="eecompile-teacher-") as folder:
        with stages.stage("compute the teacher's logits"):
            kept = FeatureFile(Path(folder) / "logits", len(reader), shape, torch.float32)
            answers = TeacherLogits(teacher, arithmetic, None)
            batch = max(settings.images, LEAST_BATCH)
            for start in range(0, len(reader), batch):
                index = np.arange(start, min(start + batch, len(reader)))
                kept.write(start, answers.of(index, reader.inputs(index, None)[0]))
                stages.progress((start + len(index)) / len(reader))
        yield TeacherLogits(teacher, arithmetic, kept)
