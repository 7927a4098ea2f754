"""The logits of every exit for every sample of one split."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eecalib.whole_groups import check_groups, chosen_groups
from eengines.errors import DataError, UserError
from eerun.folding import GroupExit

__all__ = ["ExitTrace"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ExitTrace:
    """What all exits say about the samples of one split, recorded with exits off, so that no sample is missing.

    Attributes:
        logits: `[samples, exits, classes] float32`; it may be mapped from a file.
        labels: `[samples] int64`, or None; then the final exit's answer is the reference.
        fold: images a group of a folded network, whose samples are images, a group after the other; 1: not folded.
        rule: when a group leaves, where `fold` is above 1. What exits say does not depend on it; files do not have it.

    Raises:
        UserError: an array has the wrong shape or dtype, or samples do not fill whole groups.
        DataError: there is no sample.
    """

    logits: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    fold: int = 1
    rule: GroupExit = GroupExit.ALL

    def __post_init__(self) -> None:
        if self.logits.ndim != 3 or self.logits.dtype != np.float32:
            raise UserError(
                "exit trace: logits",
                f"got {self.logits.dtype} {list(self.logits.shape)}, expected float32 [samples, exits, classes]",
                "Record it with `eecompile trace`",
            )
        if not self.samples:
            raise DataError("exit trace", "got no sample, expected at least one", "Record a split that is not empty")
        if self.labels is not None and (self.labels.shape != (self.samples,) or self.labels.dtype != np.int64):
            raise UserError(
                "exit trace: labels",
                f"got {self.labels.dtype} of shape {list(self.labels.shape)}, expected int64 [{self.samples}]",
                "Give one label a sample",
            )
        check_groups(self.samples, self.fold, where="exit trace")

    @property
    def samples(self) -> int:
        """How many samples were recorded."""
        return int(self.logits.shape[0])

    @property
    def groups(self) -> int:
        """How many rows of the network the samples fill: groups, or samples where it is not folded."""
        return self.samples // self.fold

    @property
    def exits(self) -> int:
        """How many exits the network has, the final one included."""
        return int(self.logits.shape[1])

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return int(self.logits.shape[2])

    def rows(self, samples: NDArray[np.int64]) -> "ExitTrace":
        """Return the trace of some samples, given by their indices `[rows] int64`: of groups all images, in order.

        Raises:
            UserError: they are not whole groups.
        """
        chosen_groups(samples, self.fold, where="exit trace")
        labels = None if self.labels is None else self.labels[samples]
        return replace(self, logits=self.logits[samples], labels=labels)

    def of_exits(self, kept: tuple[int, ...]) -> "ExitTrace":
        """Return the trace of a network with some of the exits: the early ones given, ascending, and the final one."""
        if len(kept) == self.exits - 1:
            return self
        return replace(self, logits=self.logits[:, [*kept, self.exits - 1]])
