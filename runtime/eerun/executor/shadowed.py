"""Samples that are answered early and still go on to the final exit, to see whether it would have said the same."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from eerun.executor.executor import Answers

__all__ = ["Shadowed", "leave_watched"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Shadowed:
    """Who is watched in a batch, and what the final exit says of those who left early.

    Of a folded network groups are watched, with all of their images.

    Attributes:
        chosen: `[samples] bool`, who is watched.
        group: `[samples] intp`, which of the groups of the batch a sample is in.
        early: `[samples] bool`, who of them was answered before the final exit; the executor fills it in.
        outputs: `[samples, *output shape] float32`, what the final exit says of those who are `early`; the others'
            rows are left as they are.
    """

    chosen: NDArray[np.bool_]
    group: NDArray[np.intp]
    early: NDArray[np.bool_]
    outputs: NDArray[np.float32]

    @classmethod
    def of(cls, chosen: NDArray[np.bool_], output_shape: tuple[int, ...], *, fold: int = 1) -> "Shadowed":
        """Return fresh arrays for a batch of which some samples are watched; `fold` neighbours are a group."""
        count = len(chosen)
        return cls(
            chosen=chosen,
            group=np.arange(count) // fold,
            early=np.zeros(count, np.bool_),
            outputs=np.empty((count, *output_shape), np.float32),
        )

    def part(self, rows: slice) -> "Shadowed":
        """Return the same arrays for some neighbouring samples; what is written to it is written here."""
        return Shadowed(
            chosen=self.chosen[rows], group=self.group[rows], early=self.early[rows], outputs=self.outputs[rows]
        )

    def pick(self, index: NDArray[np.intp]) -> "Shadowed":
        """Return fresh arrays for some samples; `take` brings back what was written to them."""
        return Shadowed.of(self.chosen[index], self.outputs.shape[1:])

    def take(self, index: NDArray[np.intp], part: "Shadowed") -> None:
        """Bring back what was written to the arrays of some samples."""
        self.early[index] = part.early
        self.outputs[index[part.early]] = part.outputs[part.early]

    def in_order(self) -> "Shadowed":
        """Return fresh arrays for the same groups with other images; `deal` says which ones these are."""
        return Shadowed(
            chosen=self.chosen.copy(),
            group=self.group.copy(),
            early=np.zeros_like(self.early),
            outputs=np.empty_like(self.outputs),
        )

    def deal(self, order: NDArray[np.intp], part: "Shadowed") -> None:
        """Give each image what was written at its place: image `order[i]` was at place `i` of `part`."""
        self.chosen[order] = part.chosen
        self.group[order] = part.group
        self.take(order, part)


def leave_watched(
    logits: NDArray[np.float32],
    scores: NDArray[np.float32],
    threshold: float | None,
    sample: NDArray[np.intp],
    alive: NDArray[np.bool_],
    answers: "Answers",
    exit_index: int,
) -> int:
    """Let rows leave where some samples are watched; see `ChainExecutor`.

    A watched sample whose score passes is answered as any other, but its row stays alive and is not answered again.

    Args:
        logits: `[rows, *output shape] float32` of this exit, perhaps with further rows.
        scores: `[rows] float32`.
        threshold: None: the final exit, where everybody leaves.
        sample: `[rows]`, which sample each row holds.
        alive: `[rows]`, which rows do; those that leave are marked dead.
        answers: arrays to fill, with samples that are watched.
        exit_index: of this exit.

    Returns:
        How many rows left the batch.
    """
    shadow = answers.shadow
    assert shadow is not None  # noqa: S101 - the caller looked
    passing = alive if threshold is None else alive & (scores >= np.float32(threshold))
    answered = shadow.early[sample]
    index = (passing & ~answered).nonzero()[0]
    target = sample[index]
    answers.outputs[target] = logits[index]
    answers.exit_index[target] = exit_index
    answers.confidence[target] = scores[index]
    if threshold is None:
        late = (alive & answered).nonzero()[0]
        shadow.outputs[sample[late]] = logits[late]
        alive[:] = False
        return len(index) + len(late)
    watched = shadow.chosen[target]
    shadow.early[target] = watched
    alive[index[~watched]] = False
    return int(len(index) - watched.sum())
