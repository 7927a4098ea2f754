"""The hot path: run a segment, let samples leave, compact, go on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from time import perf_counter_ns
from typing import Final

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array
from eerun.costs import CostTable
from eerun.executor.chain import LoadedChain
from eerun.executor.compaction import choose_rows, move_rows, plan_moves
from eerun.executor.shadowed import Shadowed, leave_watched
from eerun.executor.step import Step
from eerun.executor.whole_confidence import score_buffer, scoring

__all__ = ["Answers", "ChainExecutor", "Step"]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Arrays that an executor fills, one row a sample, in the order of the input.

    Attributes:
        outputs: `[samples, classes] float32` logits of the exit where the sample left; of dense answers
            `[samples, classes, height, width]`.
        exit_index: `[samples] int32`.
        confidence: `[samples] float32` the policy's score there.
        shadow: which samples go on to the final exit after they were answered; None: nobody.
    """

    outputs: NDArray[np.float32]
    exit_index: NDArray[np.int32]
    confidence: NDArray[np.float32]
    shadow: Shadowed | None = None


class Everybody(Enum):
    """The threshold of the final exit, where even a sample without a score (NaN) leaves."""

    EVERYBODY = auto()


EVERYBODY: Final = Everybody.EVERYBODY


class ChainExecutor:
    """Runs batches through a loaded chain. Not thread-safe: its buffers hold one batch."""

    def __init__(self, loaded: LoadedChain, costs: CostTable) -> None:
        self._loaded = loaded
        self.fold, self.group_exit = loaded.chain.fold, loaded.chain.group_exit
        self._covers = costs.covers
        self._run_ms = [np.array([cover.run_ms for cover in covers]) for covers in costs.covers]
        self._move_ms = costs.move_ms
        self._runs: list[dict[int, tuple[Callable[[], None], ...]]] = [{} for _ in costs.covers]
        self.max_batch = self.fold * costs.max_batch
        loaded.allocate(max(cover.rows for covers in (*costs.covers, *costs.head_covers) for cover in covers))
        heads = loaded.chain.segments
        self._logits = [loaded.buffer(head.logits) for head in heads]
        self._scores = [score_buffer(head, loaded.buffer, fold=self.fold) for head in heads]
        self._crossing = [[loaded.buffer(name) for name in names] for names in loaded.crossing]
        self._inputs = {spec.name: loaded.buffer(spec.name) for spec in loaded.chain.inputs}

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self._logits[-1].shape[1])

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one sample's logits: `(classes,)`, or `(classes, height, width)`."""
        return self._logits[-1].shape[1:]

    @property
    def segments(self) -> int:
        """Number of segments."""
        return len(self._logits)

    def warm_up(self) -> None:
        """Open every session that a batch may need, and run it once."""
        for segment, covers in enumerate(self._covers):
            for piece in {piece for cover in covers for piece in cover.pieces}:
                self._loaded.session(segment, piece).run()

    def infer(
        self,
        inputs: Mapping[str, Array],
        thresholds: Sequence[float | None],
        answers: Answers,
        *,
        since_ns: int | None = None,
    ) -> tuple[Step, ...]:
        """Answer one batch of 1 to `max_batch` samples.

        Args:
            inputs: arrays `[samples, ...]` in the dtype and shape that the chain declares.
            thresholds: one for each exit but the last; None: nobody leaves there.
            answers: arrays `[samples, ...]` to fill.
            since_ns: when the call began that this batch is a part of; None: now.
        """
        started = perf_counter_ns() if since_ns is None else since_ns
        rows = self._load(inputs)
        sample, alive = np.arange(rows), np.ones(rows, np.bool_)
        steps, last, left = [], self.segments - 1, 0
        entered = rows
        for segment in range(self.segments):
            entered, ran = entered - left, rows
            run_started = perf_counter_ns()
            threshold = thresholds[segment] if segment < last else EVERYBODY
            self._run(segment, rows)
            tested = self._test(segment, threshold, alive)
            run_ended = perf_counter_ns()
            left = 0 if threshold is None or tested == 0 else self._leave(segment, threshold, sample, alive, answers)
            answered = perf_counter_ns()
            done = left == entered
            if not done and entered - left < rows:
                rows = self._compact(segment, sample, alive)
                sample, alive = sample[:rows], alive[:rows]
            steps.append(
                Step(
                    segment=segment,
                    rows=ran,
                    entered=entered,
                    left=left,
                    run_ns=run_ended - run_started,
                    boundary_ns=perf_counter_ns() - run_ended,
                    answered_ns=answered - started,
                    tested=tested,
                )
            )
            if done:
                break
        return tuple(steps)

    def record(self, inputs: Mapping[str, Array]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run one batch with exits off, and return what every exit says.

        Returns:
            logits `[samples, exits, *output_shape] float32` and scores `[samples, exits] float32`, which the caller
            owns.
        """
        rows = self._load(inputs)
        for segment in range(self.segments):
            self._run_for_all(segment, rows)
        logits = np.stack([buffer[:rows] for buffer in self._logits], axis=1)
        scores = np.stack([buffer[:rows] for buffer in self._scores], axis=1)
        return logits, scores

    def _load(self, inputs: Mapping[str, Array]) -> int:
        """Copy a batch into the input buffers; return its number of rows."""
        rows = 0
        for name, buffer in self._inputs.items():
            rows = len(inputs[name])
            buffer[:rows] = inputs[name]
        return rows

    def _run(self, segment: int, rows: int) -> None:
        """Run a segment on the first rows of its buffers."""
        runs = self._runs[segment].get(rows)
        if runs is None:
            pieces = self._covers[segment][rows].pieces
            head, logits, scores = self._loaded.chain.segments[segment], self._logits[segment], self._scores[segment]
            runs = (
                *(self._loaded.session(segment, piece).run for piece in pieces),
                *scoring(head, logits[:rows], scores[:rows], fold=self.fold),
            )
            self._runs[segment][rows] = runs
        for run in runs:
            run()

    def _run_for_all(self, segment: int, rows: int) -> None:
        """Run a segment and its exit's head for everybody."""
        self._run(segment, rows)

    def _test(self, segment: int, threshold: float | Everybody | None, alive: NDArray[np.bool_]) -> int | None:  # noqa: ARG002 - the head is in the segment
        """Run the exit's head if it is a graph of its own; return for how many samples, None: it is not."""
        return None

    def _leave(
        self,
        segment: int,
        threshold: float | Everybody,
        sample: NDArray[np.intp],
        alive: NDArray[np.bool_],
        answers: Answers,
    ) -> int:
        """Write the answers of those that leave here, mark them dead, and return how many they are."""
        rows = len(alive)
        if answers.shadow is not None:
            scores, value = self._scores[segment][:rows], None if threshold is EVERYBODY else threshold
            return leave_watched(self._logits[segment], scores, value, sample, alive, answers, segment)
        if rows == 1:
            return self._leave_alone(segment, threshold, int(sample[0]), answers)
        scores = self._scores[segment][:rows]
        leaving = alive if threshold is EVERYBODY else alive & (scores >= np.float32(threshold))
        index = leaving.nonzero()[0]
        if not len(index):
            return 0
        target = sample[index]
        answers.outputs[target] = self._logits[segment][index]
        answers.exit_index[target] = segment
        answers.confidence[target] = scores[index]
        alive[index] = False
        return len(index)

    def _leave_alone(self, segment: int, threshold: float | Everybody, sample: int, answers: Answers) -> int:
        """The same for a single row, without arrays of one element: at batch 1 they cost more than the decision."""
        score = self._scores[segment][0]
        if threshold is not EVERYBODY and not score >= np.float32(threshold):
            return 0
        answers.outputs[sample] = self._logits[segment][0]
        answers.exit_index[sample] = segment
        answers.confidence[sample] = score
        return 1

    def _compact(self, segment: int, sample: NDArray[np.intp], alive: NDArray[np.bool_]) -> int:
        """Move survivors to the front where that is cheaper than to carry the dead; return the rows to run next."""
        rows = choose_rows(alive, self._run_ms[segment + 1], self._move_ms[segment])
        if rows < len(alive):
            moves = plan_moves(alive, rows)
            move_rows(self._crossing[segment], moves)
            sample[moves.targets] = sample[moves.sources]
            alive[moves.targets] = True
        return rows
