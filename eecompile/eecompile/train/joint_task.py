"""Trunk and heads learn together."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from eecompile.attach.attached import Attached
from eecompile.attach.attachment import FINAL
from eecompile.train.arithmetic import Arithmetic
from eecompile.train.augment import CropFlip
from eecompile.train.head_losses import HeadLosses
from eecompile.train.losses import early_to_last, exit_weights, label_loss
from eecompile.train.sample_reader import SampleReader
from eecompile.train.schedule import steps_of
from eecompile.train.score import Answers, Score, score_answers
from eecompile.train.settings import TrainSettings
from eecompile.train.task import Index

__all__ = ["JointTask"]

EENET_SHARE = 0.01
EENET_TEMPERATURE = 3.0
EENET_STARTS = 0.75
"""EENet: in the last quarter of the epochs, early exits are also drawn to the last one's answer."""


class JointTask:
    """Everything learns from the weighted losses of all exits.

    The final exit learns the labels. Early exits learn the labels, or with `--target trunk` the final exit's answer,
    which they do not change. With EENet's weights, 0.01·T²·KL(exit ‖ last), T = 3, is added for early exits in the
    last quarter of the epochs; a tap's candidates share it equally.

    Args:
        attached: the network.
        reader: of the samples, with labels.
        rows: `[n]`, which samples to train on.
        held: `[n]`, which are held out.
        settings: of the training.
        arithmetic: device and precision.
    """

    def __init__(
        self,
        attached: Attached,
        reader: SampleReader,
        rows: Index,
        held: Index,
        settings: TrainSettings,
        arithmetic: Arithmetic,
    ) -> None:
        self._attached, self._reader, self._rows, self._held = attached, reader, rows, held
        self._settings, self._arithmetic = settings, arithmetic
        taps = [head.tap for head in attached.attachment.heads]
        *weights, self._final_weight = exit_weights(settings.loss_weights, taps)
        self._candidates = {head.name: taps.count(head.tap) for head in attached.attachment.heads}
        self._losses = HeadLosses(attached, settings, weights, ignored=reader.ignored)

    def samples_in(self, epoch: int) -> int:  # noqa: ARG002 - the same in every epoch
        """How many samples an epoch trains on."""
        return len(self._rows)

    def train_mode(self) -> None:
        """Everything trains."""
        self._attached.train()

    def losses(self, positions: Index, epoch: int) -> Mapping[str, Tensor]:
        """Weighted losses of all heads and of the final exit."""
        change = self._reader.draw(epoch)
        inputs, labels = self._read(positions, change)
        with self._arithmetic.mixed():
            features, final = self._attached.features(*inputs)
            answers = self._losses.answers(features, self._losses.names)
        last = final.float()
        losses = self._losses.of(answers, last.detach(), labels)
        if self._settings.loss_weights == "eenet" and epoch >= EENET_STARTS * self._settings.epochs:
            for name, logits in answers.items():
                towards = early_to_last(logits, last.detach(), temperature=EENET_TEMPERATURE)
                losses[name] = losses[name] + EENET_SHARE * towards / self._candidates[name]
        losses[FINAL] = self._final_weight * label_loss(last, labels, ignored=self._reader.ignored)
        return losses

    def measure(self) -> Mapping[str, Score]:
        """Scores of all exits; heads agree with the final exit as it is now."""
        self._attached.eval()
        with torch.no_grad():
            return score_answers(self._held_answers(), ignored=self._reader.ignored)

    def _read(self, positions: Index, change: CropFlip | None) -> tuple[tuple[Tensor, ...], Tensor]:
        rows = self._rows[positions]
        labels = self._reader.labels(rows, change)
        assert labels is not None  # noqa: S101 - refused when the samples were read
        return self._reader.inputs(rows, change), labels

    def _held_answers(self) -> Iterator[Answers]:
        for rows in np.array_split(self._held, steps_of(len(self._held), self._settings.batch)):
            features, final = self._attached.features(*self._reader.inputs(rows, None))
            logits = self._losses.answers(features, self._losses.names)
            yield Answers(logits={**logits, FINAL: final}, trunk=final, labels=self._reader.labels(rows, None))
