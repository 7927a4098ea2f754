"""What every exit said about every sample: the data that thresholds are tuned on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eecalib.whole_groups import check_groups, chosen_groups
from eengines.errors import DataError, UserError
from eerun.count_alike import count_alike, count_units
from eerun.folding import GroupExit

__all__ = ["ANSWER_DTYPES", "ExitTable"]

ANSWER_DTYPES = (np.int64, np.uint8, np.uint16, np.uint32)
"""Of answers and labels: maps are held in as few bytes as their classes need."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ExitTable:
    """Scores and answers of all exits on one split, recorded with exits off, so that no sample is missing anywhere.

    A sample has one answer, or one for each pixel; `*map` is nothing or its height and width. How good an exit is at a
    sample is therefore a count of units: of 1, or of the pixels that count.

    Samples of a folded network are images, of which each `fold` in their order are a group.

    Attributes:
        scores: `[samples, exits] float32`, the policy's score; a sample leaves where it reaches the threshold.
        answers: `[samples, exits, *map] int64`, the class with the largest logit; of maps any of `ANSWER_DTYPES`.
        labels: `[samples, *map] int64` or another of `ANSWER_DTYPES`, or None; then the final exit's answer is the
            reference.
        ignored: the label of pixels that do not count, or None.
        fold: images a group; 1: the network is not folded.
        rule: when a group leaves, where `fold` is above 1.

    Raises:
        UserError: an array has the wrong shape or dtype, or samples do not fill whole groups.
        DataError: there is no sample, a score is not a number, or no label counts.
    """

    scores: NDArray[np.float32]
    answers: NDArray[Any]
    labels: NDArray[Any] | None
    ignored: int | None = None
    fold: int = 1
    rule: GroupExit = GroupExit.ALL

    def __post_init__(self) -> None:
        _check_array("scores", self.scores, (np.float32,), (None, None))
        samples, exits = self.scores.shape
        maps = self.answers.shape[2:] if self.answers.ndim == 4 else ()
        dtypes = ANSWER_DTYPES if maps else (np.int64,)
        _check_array("answers", self.answers, dtypes, (samples, exits, *maps))
        if self.labels is not None:
            _check_array("labels", self.labels, dtypes, (samples, *maps))
        if samples == 0 or exits == 0:
            raise DataError(
                "exit table",
                f"got {samples} samples and {exits} exits, expected at least one of each",
                "Record the scores on a split that is not empty",
            )
        check_groups(samples, self.fold, where="exit table")
        bad = np.argwhere(np.isnan(self.scores))
        if len(bad):
            sample, exit_ = (int(i) for i in bad[0])
            raise DataError(
                "exit table: scores",
                f"got NaN {len(bad)} times, first for sample {sample} at exit {exit_}, expected numbers",
                "Check the logits of that exit for NaN or infinity",
            )
        if not self.units.any():
            raise DataError(
                "exit table: labels", f"all pixels have the label {self.ignored}, which is ignored", "Label some pixels"
            )

    @property
    def samples(self) -> int:
        """How many samples were recorded."""
        return int(self.scores.shape[0])

    @property
    def groups(self) -> int:
        """How many rows of the network the samples fill: groups, or samples where it is not folded."""
        return self.samples // self.fold

    @property
    def exits(self) -> int:
        """How many exits the network has, the final one included."""
        return int(self.scores.shape[1])

    @property
    def reference(self) -> NDArray[Any]:
        """The right answer of each sample `[samples, *map]`: its label, or else the final exit's answer."""
        return self.answers[:, -1] if self.labels is None else self.labels

    @cached_property
    def units(self) -> NDArray[np.int64]:
        """How many answers of a sample count against the reference, `[samples] int64`."""
        return count_units(self.reference, self.ignored)

    @property
    def all_units(self) -> NDArray[np.int64]:
        """How many answers a sample has, `[samples] int64`: 1, or its pixels."""
        return count_units(self.answers[:, -1], None)

    @cached_property
    def correct(self) -> NDArray[np.int64]:
        """How many units of a sample an exit answers as the reference does, `[samples, exits] int64`."""
        return self.alike([self.reference] * self.exits, self.ignored)

    @cached_property
    def agreeing(self) -> NDArray[np.int64]:
        """How many answers of a sample an exit shares with the final exit, `[samples, exits] int64`."""
        return self.alike([self.answers[:, -1]] * self.exits, None)

    def against(self, *, agreement: bool) -> NDArray[np.int64]:
        """Return how many units of a sample an exit has right, `[samples, exits] int64`.

        Args:
            agreement: compare with the final exit's answer even if there are labels.
        """
        return self.agreeing if agreement else self.correct

    def alike(self, references: Sequence[NDArray[Any]], ignored: int | None) -> NDArray[np.int64]:
        """Return how many answers of a sample are those of a reference, `[samples, exits] int64`.

        Args:
            references: `[samples, *map]` integers, one for each exit.
            ignored: the label in them of pixels that do not count, or None.
        """
        counts = [count_alike(self.answers[:, exit_], each, ignored) for exit_, each in enumerate(references)]
        return np.stack(counts, axis=1)

    def rows(self, samples: NDArray[np.int64]) -> "ExitTable":
        """Return the table of some samples, given by their indices `[rows] int64`: of groups all images, in order.

        Raises:
            UserError: they are not whole groups.
        """
        chosen_groups(samples, self.fold, where="exit table")
        return ExitTable(
            scores=self.scores[samples],
            answers=self.answers[samples],
            labels=None if self.labels is None else self.labels[samples],
            ignored=self.ignored,
            fold=self.fold,
            rule=self.rule,
        )


def _check_array(name: str, array: NDArray[Any], dtypes: tuple[type[Any], ...], shape: tuple[int | None, ...]) -> None:
    """Refuse an array of another dtype, rank or size; None in `shape` is any size."""
    same = array.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, array.shape, strict=True))
    if not same or array.dtype not in dtypes:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        names = " or ".join(np.dtype(dtype).name for dtype in dtypes)
        raise UserError(
            f"exit table: {name}",
            f"got {array.dtype} of shape {list(array.shape)}, expected {names} of shape [{wanted}]",
            "Give one row a sample and, for scores and answers, one column an exit",
        )
