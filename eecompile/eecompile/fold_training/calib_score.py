"""How well a folded network answers the *calib* images, in rows of random partners."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from eecompile.fold.folded_network import FoldedNetwork
from eecompile.fold_training.teacher import Teacher
from eecompile.train.random_streams import random_stream
from eecompile.train.sample_reader import SampleReader
from eecompile.train.score import Score
from eecompile.train.task import Index
from eerun.folding import to_rows

__all__ = ["CalibScore"]

DRAWS = 2
"""How often images are put into rows; each time an image has other partners and another place."""

LEAST_BATCH = 128
"""Images a pass."""


class CalibScore:
    """Measures networks on the same rows.

    Args:
        teacher: where it trains; its answers are those that agreement is measured with.
        reader: of the *calib* images.
        factor: images a row.
        seed: of the partners.
        batch: images a step of the training.

    Attributes:
        names: of the exits, shallow to deep.
    """

    def __init__(self, teacher: Teacher, reader: SampleReader, factor: int, seed: int, batch: int) -> None:
        self.names, self._reader, self._factor = teacher.exits, reader, factor
        self._rows_a_pass = max(batch, LEAST_BATCH) // factor
        self._orders = [random_stream(seed, "calib partners", draw).permutation(len(reader)) for draw in range(DRAWS)]
        passes = np.array_split(np.arange(len(reader)), -(-len(reader) // max(batch, LEAST_BATCH)))
        parts = [_answers(teacher.logits(reader.inputs(index, None)[0])) for index in passes]
        self._teacher = torch.cat(parts)

    def of_teacher(self) -> dict[str, Score]:
        """Scores of the network before folding, by exit."""
        return self._scores([np.arange(len(self._reader))], [self._teacher])

    def of(self, network: FoldedNetwork) -> dict[str, Score]:
        """Scores of a folded network, by exit; it is put into evaluation mode."""
        network.eval()
        with torch.no_grad():
            return self._scores(self._orders, [self._answers_of(network, order) for order in self._orders])

    def _answers_of(self, network: FoldedNetwork, order: Index) -> Tensor:
        """`[images, exits]`, in this order; images that fill up the last row do not count."""
        rows = to_rows(order, self._factor)
        found = []
        for part in np.array_split(rows, -(-len(rows) // self._rows_a_pass)):
            images = self._reader.inputs(part.reshape(-1), None)[0]
            made = network(images.reshape(-1, self._factor, *images.shape[1:]))
            found.append(_answers(torch.stack([logits.flatten(0, 1).float() for logits in made], 1)))
        return torch.cat(found)[: len(order)]

    def _scores(self, orders: Sequence[Index], answers: Sequence[Tensor]) -> dict[str, Score]:
        agreed, right = [], []
        for order, answer in zip(orders, answers, strict=True):
            agreed.append(answer == self._teacher[torch.from_numpy(order).to(answer.device)])
            labels = self._reader.labels(order, None)
            if labels is not None:
                right.append(answer == labels[:, None])
        agreement = torch.cat(agreed).double().mean(0).tolist()
        accuracy = torch.cat(right).double().mean(0).tolist() if right else [None] * len(agreement)
        scores = [Score(agreement=one, accuracy=other) for one, other in zip(agreement, accuracy, strict=True)]
        return dict(zip(self.names, scores, strict=True))


def _answers(logits: Tensor) -> Tensor:
    """The class of each image at each exit, `[images, exits]`; -1 where logits are not finite, which is wrong."""
    return torch.where(logits.isfinite().all(2), logits.argmax(2), -1)
