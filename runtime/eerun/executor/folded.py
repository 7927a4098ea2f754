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
        self._waiting = np.empty((rows, fold), np.bool_)
        self._passed = np.empty(rows, np.int64)
        self._needed = np.empty(rows, np.int64)
        self._watched = np.empty(rows, np.bool_)
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
        self._passed[:rows] = 0
        self._needed[:rows] = self._needed_of[-1]
        self._needed[rows - 1] = self._needed_of[last]
        self._watched[:rows] = False
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

        `sample` says which group each row holds.
        """
        scores = self._scores[segment][: len(alive)]
        here = self._waiting[sample]
        here &= alive[:, None]
        if threshold is EVERYBODY:
            leaving = alive.copy()
        else:
            passing = here & (scores >= np.float32(threshold))
            if not passing.any():  # then no further group has enough
                return 0
            self._passed[sample] += passing.sum(axis=1)
            leaving = alive & (self._passed[sample] >= self._needed[sample])
            here &= passing | leaving[:, None]
        row, place = here.nonzero()
        group = sample[row]
        target = group * self.fold + place
        answers.outputs[target] = self._logits[segment][row, place]
        answers.exit_index[target] = segment
        answers.confidence[target] = scores[row, place]
        self._waiting[group, place] = False
        self._answered[segment] = len(row)
        if answers.shadow is not None:
            self._watch(segment, threshold, sample, leaving, target, answers.shadow)
        alive[leaving] = False
        return int(leaving.sum())

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
        early = np.zeros(self._waiting.shape, np.bool_).reshape(-1)
        early[: len(shadow.early)] = shadow.early
        row, place = (leaving[:, None] & early.reshape(self._waiting.shape)[sample]).nonzero()
        shadow.outputs[sample[row] * self.fold + place] = self._logits[segment][row, place]
