"""Heads learn, the trunk stays as it is."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from eecompile.attach.attached import Attached
from eecompile.attach.attachment import FINAL
from eecompile.train.arithmetic import Arithmetic
from eecompile.train.feature_set import FeatureSet
from eecompile.train.head_losses import HeadLosses
from eecompile.train.schedule import steps_of
from eecompile.train.score import Answers, Score, score_answers
from eecompile.train.task import Index

__all__ = ["FrozenTask"]


class FrozenTask:
    """Heads learn from features; epochs take the augmented copies in turn.

    Args:
        attached: the network.
        training: features to learn from.
        held: features of the held-out samples, not augmented, in float32.
        losses: of the heads.
        arithmetic: in which precision heads are trained.
        batch: samples of a batch when scores are measured.
        ignored: the label of pixels that do not count; None where all do.
    """

    def __init__(
        self,
        attached: Attached,
        training: FeatureSet,
        held: FeatureSet,
        losses: HeadLosses,
        arithmetic: Arithmetic,
        *,
        batch: int,
        ignored: int | None,
    ) -> None:
        self._attached, self._training, self._held, self._losses = attached, training, held, losses
        self._arithmetic, self._batch, self._ignored = arithmetic, batch, ignored

    def samples_in(self, epoch: int) -> int:  # noqa: ARG002 - the same in every epoch
        """How many samples an epoch trains on."""
        return len(self._training)

    def train_mode(self) -> None:
        """The heads train; the trunk stays in evaluation mode."""
        self._attached.eval()
        self._attached.heads.train()

    def losses(self, positions: Index, epoch: int) -> Mapping[str, Tensor]:
        """Losses of all heads."""
        batch = self._training.read(positions, epoch % self._training.copies)
        with self._arithmetic.mixed():
            answers = self._losses.answers(batch.features, self._losses.names)
        return self._losses.of(answers, batch.answer, batch.labels)

    def measure(self) -> Mapping[str, Score]:
        """Scores of the heads, and of the trunk as the final exit."""
        self._attached.eval()
        with torch.no_grad():
            return score_answers(self._held_answers(), ignored=self._ignored)

    def _held_answers(self) -> Iterator[Answers]:
        count = len(self._held)
        for positions in np.array_split(np.arange(count), steps_of(count, self._batch)):
            batch = self._held.read(positions, 0)
            logits = self._losses.answers(batch.features, self._losses.names)
            yield Answers(logits={**logits, FINAL: batch.answer}, trunk=batch.answer, labels=batch.labels)
