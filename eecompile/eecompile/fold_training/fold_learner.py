"""The whole folded network learns as one."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch

from eecompile.fold.folded_network import FoldedNetwork
from eecompile.fold_training.separate_images import SeparateImages
from eecompile.fold_training.settings import FoldTrainSettings
from eecompile.train.learner import Learner, WeightGroup
from eecompile.train.score import Score

__all__ = ["FoldLearner"]


class FoldLearner(Learner):
    """Epochs are compared by the mean accuracy of the exits, or without labels by their agreement with the teacher's.

    Weights that keep the images of a row apart are those of a network that is not folded, of 1/f of the widths: they
    are a start, and any later epoch is kept instead of them. Only where all epochs keep images apart they remain.

    Args:
        network: what learns.
        exits: their names.
        separate: keeps the images of a row apart in the first epochs.
        settings: learning rate and weight decay.
    """

    most_of_layer: ClassVar[float] = 0.03
    """Ten times that of heads. With that of heads a small network for digit scans, folded by 2, had 10 % less of them
    right at its first exit after 30 epochs; without any limit it was no better than with this one."""

    def __init__(
        self, network: FoldedNetwork, exits: Sequence[str], separate: SeparateImages, settings: FoldTrainSettings
    ) -> None:
        every = WeightGroup(parameters=tuple(network.parameters()), loss_weight=1.0)
        super().__init__(
            exits,
            network,
            [every],
            _mean,
            weight_decay=settings.weight_decay,
            learning_rate=settings.learning_rate,
        )
        self._separate = separate

    def step(self, share: float, scaler: torch.amp.GradScaler) -> None:
        """Move the weights, of all images alike while these are kept apart."""
        self._separate.join_gradients()
        super().step(share, scaler)

    def keep(self, epoch: int, scores: Mapping[str, Score]) -> None:
        """Keep the weights if none were better since images are no longer kept apart; the later of equals."""
        before = self.best
        if before is not None and before.epoch <= self._separate.epochs < epoch:
            self.best = None
        super().keep(epoch, scores)
        if self.best is None:
            self.best = before


def _mean(scores: Mapping[str, Score]) -> float:
    shares = [one.agreement if one.accuracy is None else one.accuracy for one in scores.values()]
    return float(np.mean(shares))
