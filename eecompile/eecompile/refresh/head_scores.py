"""How well heads answer the samples that training holds out, before it begins."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from eecompile.attach.attached import Attached
from eecompile.input_info import InputInfo
from eecompile.train.hold_out import hold_out
from eecompile.train.sample_reader import SampleReader
from eecompile.train.score import Answers, Score, score_answers
from eecompile.train.settings import TrainSettings
from eerun.data import Samples

__all__ = ["held_out_scores"]


def held_out_scores(
    attached: Attached, inputs: Sequence[InputInfo], samples: Samples, settings: TrainSettings
) -> Mapping[str, Score]:
    """Return the score of every head on the samples that `train_heads` holds out with the same settings, in float32.

    Raises:
        UserError: settings and samples do not fit each other.
        DataError: samples that the network cannot take, or too few.
    """
    reader = SampleReader(inputs, samples, attached.attachment.output, settings, torch.device("cpu"))
    _, held = hold_out(len(reader), settings.validation, settings.seed)
    attached.eval()

    def answers() -> Iterator[Answers]:
        for rows in np.array_split(held, -(-len(held) // settings.batch)):
            features, trunk = attached.features(*reader.inputs(rows, None))
            yield Answers(logits=attached.candidates(features), trunk=trunk, labels=reader.labels(rows, None))

    with torch.no_grad():
        return score_answers(answers(), ignored=reader.ignored)
