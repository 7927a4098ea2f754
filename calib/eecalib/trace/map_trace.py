"""What every exit says where each pixel has an answer: logits of maps are too many to keep, so scores are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eecalib.exit_table import ExitTable
from eengines.errors import UserError
from eerun.folding import GroupExit
from eerun.policies import ExitPolicy

__all__ = ["MapTrace"]


@dataclass(frozen=True, kw_only=True, eq=False)
class MapTrace:
    """Answers of all exits about the samples of one split, and the scores of the policies that may be tried.

    Attributes:
        policies: those whose scores were recorded.
        scores: `[policies, samples, exits] float32`.
        answers: `[samples, exits, height, width]` classes, in as few bytes as they need.
        labels: `[samples, height, width]` classes, or None; then the final exit's answer is the reference.
        ignored: the label of pixels that do not count, or None.
    """

    policies: tuple[ExitPolicy, ...]
    scores: NDArray[np.float32]
    answers: NDArray[Any]
    labels: NDArray[Any] | None
    ignored: int | None

    @property
    def samples(self) -> int:
        """How many samples were recorded."""
        return int(self.answers.shape[0])

    @property
    def exits(self) -> int:
        """How many exits the network has, the final one included."""
        return int(self.answers.shape[1])

    @property
    def fold(self) -> int:
        """Images a group: 1, a network with one answer a pixel is not folded."""
        return 1

    @property
    def groups(self) -> int:
        """How many rows of the network the samples fill: one each."""
        return self.samples

    @property
    def rule(self) -> GroupExit:
        """When a group leaves: without meaning here."""
        return GroupExit.ALL

    def rows(self, samples: NDArray[np.int64]) -> "MapTrace":
        """Return the trace of some samples, given by their indices `[rows] int64`."""
        labels = None if self.labels is None else self.labels[samples]
        return replace(self, scores=self.scores[:, samples], answers=self.answers[samples], labels=labels)

    def of_exits(self, kept: Sequence[int]) -> "MapTrace":
        """Return the trace of a network with some of the exits: the early ones given, ascending, and the final one."""
        if len(kept) == self.exits - 1:
            return self
        columns = [*kept, self.exits - 1]
        return replace(self, scores=self.scores[:, :, columns], answers=self.answers[:, columns])

    def table(self, policy: ExitPolicy) -> ExitTable:
        """Return scores and answers under a policy.

        Raises:
            UserError: its scores were not recorded.
        """
        if policy not in self.policies:
            names = ", ".join(dict.fromkeys(each.name for each in self.policies))
            raise UserError(f"policy {policy.name}", f"the trace of these maps has scores of {names} only", "Take one")
        scores = np.ascontiguousarray(self.scores[self.policies.index(policy)])
        return ExitTable(scores=scores, answers=self.answers, labels=self.labels, ignored=self.ignored)
