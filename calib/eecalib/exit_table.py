"""What every exit said about every sample: the data that thresholds are tuned on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eengines.errors import DataError, UserError

__all__ = ["ExitTable"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ExitTable:
    """Scores and answers of all exits on one split, recorded with exits off, so that no sample is missing anywhere.

    Attributes:
        scores: `[samples, exits] float32`, the policy's score; a sample leaves where it reaches the threshold.
        answers: `[samples, exits] int64`, the class with the largest logit.
        labels: `[samples] int64`, or None; then the final exit's answer is the reference.

    Raises:
        UserError: an array has the wrong shape or dtype.
        DataError: there is no sample, or a score is not a number.
    """

    scores: NDArray[np.float32]
    answers: NDArray[np.int64]
    labels: NDArray[np.int64] | None

    def __post_init__(self) -> None:
        _check_array("scores", self.scores, np.float32, (None, None))
        samples, exits = self.scores.shape
        _check_array("answers", self.answers, np.int64, (samples, exits))
        if self.labels is not None:
            _check_array("labels", self.labels, np.int64, (samples,))
        if samples == 0 or exits == 0:
            raise DataError(
                "exit table",
                f"got {samples} samples and {exits} exits, expected at least one of each",
                "Record the scores on a split that is not empty",
            )
        bad = np.argwhere(np.isnan(self.scores))
        if len(bad):
            sample, exit_ = (int(i) for i in bad[0])
            raise DataError(
                "exit table: scores",
                f"got NaN {len(bad)} times, first for sample {sample} at exit {exit_}, expected numbers",
                "Check the logits of that exit for NaN or infinity",
            )

    @property
    def samples(self) -> int:
        """How many samples were recorded."""
        return int(self.scores.shape[0])

    @property
    def exits(self) -> int:
        """How many exits the network has, the final one included."""
        return int(self.scores.shape[1])

    @property
    def reference(self) -> NDArray[np.int64]:
        """The right answer of each sample `[samples] int64`: its label, or else the final exit's answer."""
        return self.answers[:, -1] if self.labels is None else self.labels

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Where an exit gives the reference's answer, `[samples, exits] bool`."""
        return self.against(agreement=False)

    def against(self, *, agreement: bool) -> NDArray[np.bool_]:
        """Return where an exit is right, `[samples, exits] bool`.

        Args:
            agreement: compare with the final exit's answer even if there are labels.
        """
        reference = self.answers[:, -1] if agreement else self.reference
        matches: NDArray[np.bool_] = self.answers == reference[:, None]
        return matches

    def rows(self, samples: NDArray[np.int64]) -> "ExitTable":
        """Return the table of some samples, given by their indices `[rows] int64`."""
        return ExitTable(
            scores=self.scores[samples],
            answers=self.answers[samples],
            labels=None if self.labels is None else self.labels[samples],
        )


def _check_array(name: str, array: NDArray[Any], dtype: type[Any], shape: tuple[int | None, ...]) -> None:
    """Refuse an array of another dtype, rank or size; None in `shape` is any size."""
    same = array.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, array.shape, strict=True))
    if not same or array.dtype != dtype:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise UserError(
            f"exit table: {name}",
            f"got {array.dtype} of shape {list(array.shape)}, expected {np.dtype(dtype)} of shape [{wanted}]",
            "Give one row a sample and, for scores and answers, one column an exit",
        )
