"""A folded network learns from the network before folding, and from labels."""

from collections.abc import Mapping

from torch import Tensor

from eecompile.fold.folded_network import FoldedNetwork
from eecompile.fold_training.calib_score import CalibScore
from eecompile.fold_training.fold_batches import FoldBatches
from eecompile.fold_training.fold_loss import fold_loss
from eecompile.fold_training.separate_images import SeparateImages
from eecompile.fold_training.settings import FoldTrainSettings
from eecompile.train.arithmetic import Arithmetic
from eecompile.train.losses import exit_weights
from eecompile.train.score import Score
from eecompile.train.task import Index

__all__ = ["FoldTask"]


class FoldTask:
    """Trains the whole network; a sample of an epoch is a row of images.

    Args:
        network: what trains, on the device of `arithmetic`.
        batches: rows of images with the teacher's logits.
        calib: measures the network.
        separate: keeps the images of a row apart in the first epochs.
        settings: of the training.
        arithmetic: in which precision it trains.
    """

    def __init__(
        self,
        network: FoldedNetwork,
        batches: FoldBatches,
        calib: CalibScore,
        separate: SeparateImages,
        settings: FoldTrainSettings,
        arithmetic: Arithmetic,
    ) -> None:
        self._network, self._batches, self._calib, self._separate = network, batches, calib, separate
        self._settings, self._arithmetic = settings, arithmetic
        self._weights = dict(zip(calib.names, exit_weights(settings.loss_weights, calib.names[:-1]), strict=True))

    def samples_in(self, epoch: int) -> int:
        """How many rows an epoch trains on."""
        return self._batches.rows_in(epoch)

    def train_mode(self) -> None:
        """Everything trains."""
        self._network.train()

    def losses(self, positions: Index, epoch: int) -> Mapping[str, Tensor]:
        """Weighted losses of all exits, of the rows at `positions` of an epoch."""
        self._separate.begin(epoch)
        batch = self._batches.read(positions, epoch)
        with self._arithmetic.mixed():
            made = self._network(batch.rows)
        return {
            name: weight
            * fold_loss(logits.flatten(0, 1).float(), batch.teacher[:, exit_], batch.labels, self._settings)
            for exit_, ((name, weight), logits) in enumerate(zip(self._weights.items(), made, strict=True))
        }

    def measure(self) -> Mapping[str, Score]:
        """Scores of all exits on *calib*, in float32."""
        return self._calib.of(self._network)
