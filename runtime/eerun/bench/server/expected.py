"""What `Model.infer` answers to the samples of a load test, and which answers of a server differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eengines.errors import UserError
from eengines.tensors import Array
from eerun.bench.server.served_model import EXIT_INDEX, LABEL
from eerun.model import Model

__all__ = ["Checked", "Expected", "check_answers", "expect"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Expected:
    """Answers to every sample.

    Attributes:
        labels: `[samples, ...] int64`.
        exit_index: `[samples] int32`.
        open: `[samples] bool`: where `infer` itself says one thing of the sample alone and another in a full batch,
            because engines round differently at different batch sizes; no answer to these is wrong.
    """

    labels: NDArray[np.int64]
    exit_index: NDArray[np.int32]
    open: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """How answers compare with `Model.infer`, in samples.

    Attributes:
        samples: that were compared.
        other_label: whose label differs.
        other_exit: whose exit differs.
        open: samples that were not compared, see `Expected.open`.
        unreadable: answers that are none of this protocol, or lack label or exit.
    """

    samples: int = 0
    other_label: int = 0
    other_exit: int = 0
    open: int = 0
    unreadable: int = 0

    @property
    def wrong(self) -> int:
        """Answers that are not as expected; a sample may be counted twice."""
        return self.other_label + self.other_exit + self.unreadable

    def __add__(self, other: "Checked") -> "Checked":
        return Checked(
            samples=self.samples + other.samples,
            other_label=self.other_label + other.other_label,
            other_exit=self.other_exit + other.other_exit,
            open=self.open + other.open,
            unreadable=self.unreadable + other.unreadable,
        )


def expect(model: Model, inputs: Mapping[str, Array], samples: NDArray[np.intp]) -> Expected:
    """Ask `Model.infer`, each sample in a full batch and alone.

    Args:
        model: the model, with the engine and precision of the server.
        inputs: arrays `[samples, ...]` by input name.
        samples: which of them the queries hold; the others are not asked, and open.

    Raises:
        UserError: the network is folded.
    """
    if model.manifest.images_a_row > 1:
        problem = "the network is folded: what it answers to an image depends on the images beside it"
        raise UserError("--check", problem, "Leave it out")
    count, used = len(next(iter(inputs.values()))), np.unique(samples)
    labels, exits, unsure = list[NDArray[np.int64]](), list[NDArray[np.int32]](), list[bool]()
    for start in range(0, len(used), model.max_batch):
        rows = used[start : start + model.max_batch]
        full = model.infer({name: array[rows] for name, array in inputs.items()})
        labels.append(full.labels)
        exits.append(full.exit_index)
        for place, row in enumerate(rows):
            alone = model.infer({name: array[row : row + 1] for name, array in inputs.items()})
            same = np.array_equal(alone.labels[0], full.labels[place])
            unsure.append(not same or alone.exit_index[0] != full.exit_index[place])
    found = np.concatenate(labels)
    expected = Expected(
        labels=np.zeros((count, *found.shape[1:]), np.int64),
        exit_index=np.zeros(count, np.int32),
        open=np.ones(count, np.bool_),
    )
    expected.labels[used], expected.exit_index[used], expected.open[used] = found, np.concatenate(exits), unsure
    return expected


def check_answers(
    answers: Sequence[Mapping[str, Array] | None], asked: NDArray[np.intp], expected: Expected
) -> Checked:
    """Compare answers.

    Args:
        answers: outputs of each answered query by name; None: it was unreadable.
        asked: `[queries, batch]` the samples of each.
        expected: what they should be.
    """
    checked = Checked()
    for answer, samples in zip(answers, asked, strict=True):
        if answer is None or any(len(answer.get(name, ())) != len(samples) for name in (LABEL, EXIT_INDEX)):
            checked += Checked(unreadable=1)
            continue
        sure = ~expected.open[samples]
        same = (answer[LABEL] == expected.labels[samples]).reshape(len(samples), -1).all(axis=1)
        checked += Checked(
            samples=int(sure.sum()),
            other_label=int((sure & ~same).sum()),
            other_exit=int((sure & (answer[EXIT_INDEX] != expected.exit_index[samples])).sum()),
            open=int((~sure).sum()),
        )
    return checked
