"""A chain of a folded network: images in, rows inside. A row is a group of images that share every layer.

Each image's answer is fixed at the first exit that it passes; the group leaves when enough of its images have passed,
and those that have not are answered there. Who leaves when is what `leave_in_groups` says. Images that only fill up the
last row never answer and never count.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array
from eerun.costs import CostTable
from eerun.executor.chain import LoadedChain
from eerun.executor.executor import EVERYBODY, Answers, ChainExecutor, Everybody, Step
from eerun.executor.shadowed import Shadowed
from eerun.folding import by_image, fill_rows, passes_needed, rows_of

__all__ = ["FoldedExecutor"]


class FoldedExecutor(ChainExecutor):
    """See `ChainExecutor`; samples are images. Not thread-safe."""

    def __init__(self, loaded: LoadedChain, costs: CostTable) -> None:
        super().__init__(loaded, costs)
        fold, rows = self.fold, costs.max_batch
        self._needed_of = passes_needed(np.arange(fold + 1), loaded.chain.group_exit)
        self._image_inputs = {name: by_image(buffer, fold) for name, buffer in self._inputs.items()}
        self._image_logits = [by_image(buffer, fold) for buffer in self._logits]
        self._image_scores = [buffer.reshape(-1) for buffer in self._scores]
        self._waiting = np.empty((rows, fold), np.bool_)
        self._missing = np.empty(rows, np.int64)
        # which images of a row wait for their answer, and how many must still pass, move together with the row
        self._crossing = [[*buffers, self._waiting, self._missing] for buffers in self._crossing]
        self._watched = np.empty(rows, np.bool_)
        self._places = np.arange(fold)
        self._rows = 0
        self._answered = [0] * self.segments

    @property
    def classes(self) -> int:
        """See `ChainExecutor.classes`."""
        return int(self._logits[-1].shape[2])

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one image's logits: `(classes,)`."""
        return self._logits[-1].shape[2:]

    def infer(
        self,
        inputs: Mapping[str, Array],
        thresholds: Sequence[float | None],
        answers: Answers,
        *,
        since_ns: int | None = None,
    ) -> tuple[Step, ...]:
        """See `ChainExecutor.infer`; `inputs` and `answers` have one row an image."""
        steps = super().infer(inputs, thresholds, answers, since_ns=since_ns)
        return tuple(step._replace(answered=self._answered[step.segment]) for step in steps)

    def record(self, inputs: Mapping[str, Array]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See `ChainExecutor.record`: one row an image."""
        images = len(next(iter(inputs.values())))
        logits, scores = super().record(inputs)
        # `[rows, exits, fold, ...]` → `[images, exits, ...]`
        by_exit = [np.swapaxes(array, 1, 2).reshape(-1, self.segments, *array.shape[3:]) for array in (logits, scores)]
        return by_exit[0][:images], by_exit[1][:images]

    def _load(self, inputs: Mapping[str, Array]) -> int:
        """Copy images into the input buffers, note that nobody was answered, and return the number of rows."""
        images = 0
        for name, buffer in self._image_inputs.items():
            images = len(inputs[name])
            fill_rows(buffer, inputs[name], self.fold)
        rows = rows_of(images, self.fold)
        last = images - (rows - 1) * self.fold
        self._waiting[:rows] = True
        self._waiting[rows - 1, last:] = False
        self._missing[:rows] = self._needed_of[-1]
        self._missing[rows - 1] = self._needed_of[last]
        self._watched[:rows] = False
        self._rows = rows
        self._answered[:] = [0] * self.segments
        return rows

    def _leave(
        self,
        segment: int,
        threshold: float | Everybody,
        sample: NDArray[np.intp],
        alive: NDArray[np.bool_],
        answers: Answers,
    ) -> int:
        """Write the answers of images that pass or whose group leaves, mark such groups dead, return how many.

        `sample` says which group each row holds. In a row that is dead no image waits.
        """
        rows = len(alive)
        if rows == 1 and answers.shadow is None:
            return self._leave_alone(segment, threshold, int(sample[0]), answers)
        waiting = self._waiting[:rows]
        if threshold is EVERYBODY:
            here, leaving = waiting, alive.copy()
        else:
            here = self._scores[segment][:rows] >= np.float32(threshold)
            here &= waiting
        images = np.count_nonzero(here)
        if images == len(answers.exit_index) and answers.shadow is None:
            return self._leave_together(segment, rows, answers)
        if threshold is not EVERYBODY:
            if not images:  # then no further group has enough
                return 0
            missing = self._missing[:rows]
            missing -= here.sum(axis=1)
            leaving = missing <= 0
            leaving &= alive
            here |= waiting & leaving[:, None]
        target = self._answer(segment, here, sample, answers)
        waiting ^= here
        if answers.shadow is not None:
            self._watch(segment, threshold, sample, leaving, target, answers.shadow)
        alive ^= leaving
        return int(np.count_nonzero(leaving))

    def _answer(
        self, segment: int, here: NDArray[np.bool_], sample: NDArray[np.intp], answers: Answers
    ) -> NDArray[np.intp]:
        """Write the answers of images `here [rows, fold]`; return which they are, `[answered] intp`."""
        index = here.reshape(-1).nonzero()[0]
        moved = len(here) < self._rows
        target = (sample[:, None] * self.fold + self._places).reshape(-1).take(index) if moved else index
        answers.outputs[target] = self._image_logits[segment].take(index, axis=0)
        answers.exit_index[target] = segment
        answers.confidence[target] = self._image_scores[segment].take(index)
        self._answered[segment] = len(index)
        return target

    def _leave_together(self, segment: int, rows: int, answers: Answers) -> int:
        """The same where one exit answers all of the batch: nobody has left before, so that no row has moved."""
        self._answered[segment] = count = len(answers.exit_index)
        answers.outputs[:] = self._image_logits[segment][:count]
        answers.exit_index[:] = segment
        answers.confidence[:] = self._image_scores[segment][:count]
        return rows

    def _leave_alone(self, segment: int, threshold: float | Everybody, sample: int, answers: Answers) -> int:
        """The same for a single row, without arrays of a few elements: they cost more than the decision."""
        here = [place for place, waits in enumerate(self._waiting[0].tolist()) if waits]
        scores, leaves = self._image_scores[segment][: self.fold], True
        if threshold is not EVERYBODY:
            least, found = float(np.float32(threshold)), scores.tolist()
            passing = [place for place in here if found[place] >= least]
            if not passing:
                return 0
            missing = int(self._missing[0]) - len(passing)
            leaves = missing <= 0
            if not leaves:
                here, self._missing[0] = passing, missing
                self._waiting[0, passing] = False
        self._answered[segment] = count = len(here)
        first, logits = sample * self.fold, self._image_logits[segment]
        together = count == here[-1] + 1
        for place, end in ((0, count),) if together else ((place, place + 1) for place in here):
            answers.outputs[first + place : first + end] = logits[place:end]
            answers.exit_index[first + place : first + end] = segment
            answers.confidence[first + place : first + end] = scores[place:end]
        return int(leaves)

    def _watch(
        self,
        segment: int,
        threshold: float | Everybody,
        sample: NDArray[np.intp],
        leaving: NDArray[np.bool_],
        target: NDArray[np.intp],
        shadow: Shadowed,
    ) -> None:
        """Let groups with a watched image go on after it was answered, or note what the final exit says of such images.

        Args:
            segment: of this exit.
            threshold: `EVERYBODY` at the final exit.
            sample: `[rows]`, which group each row holds.
            leaving: `[rows]`, which rows leave; those that go on are taken out.
            target: images that were answered here.
            shadow: who is watched.
        """
        if threshold is not EVERYBODY:
            watched = target[shadow.chosen[target]]
            shadow.early[watched] = True
            self._watched[watched // self.fold] = True
            leaving &= ~self._watched[sample]
            return
        early = np.zeros((self._rows, self.fold), np.bool_)
        early.reshape(-1)[: len(shadow.early)] = shadow.early
        row, place = (leaving[:, None] & early[sample]).nonzero()
        shadow.outputs[sample[row] * self.fold + place] = self._logits[segment][row, place]
