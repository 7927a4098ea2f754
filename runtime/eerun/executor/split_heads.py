"""A chain whose heads are graphs of their own: after each segment the head runs only for the samples that are tested.

Where the policy skips exits, those are the samples that are due at this exit. The head runs in place, on all rows, or
on the tested rows alone, gathered into buffers beside those of the chain, whichever the measured times say is cheaper;
one gathered row is taken to cost what one survivor moved over this boundary does. State of a sample that is not tested
goes on as it is. A head at which nobody can leave does not run, unless an open exit behind it, or the final one, reads
the state that it hands on; so with exits off most policies run none.

Answers are those of the same chain with heads in its segments, but for thresholds below 0: only who is tested leaves.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from eengines.engine import Engine
from eengines.errors import BundleError
from eengines.tensors import Array, allocate
from eerun.costs import CostTable, Cover, Piece
from eerun.executor.chain import REBUILD, LoadedChain, Skipping
from eerun.executor.executor import Answers, ChainExecutor, Everybody, Step

__all__ = ["SplitHeadsExecutor"]


class SplitHeadsExecutor(ChainExecutor):
    """See `ChainExecutor`.

    `record` runs every head for everybody. Scores are then those of the policy if nobody leaves: of a
    sample that it does not test at an exit `NOT_TESTED`.

    Raises:
        BundleError: the costs have no times of the heads.
    """

    def __init__(self, loaded: LoadedChain, costs: CostTable) -> None:
        if len(costs.head_ms) != len(loaded.heads):
            problem = f"got times of {len(costs.head_ms)} heads, the chain has {len(loaded.heads)}"
            raise BundleError("cost table", problem, REBUILD)
        super().__init__(loaded, costs)
        heads = range(len(loaded.heads))
        self._head_covers = costs.head_covers
        self._head_runs: list[dict[int, tuple[Callable[[], None], ...]]] = [{} for _ in heads]
        skipping = loaded.chain.skipping
        self._skipping = skipping
        self._readers = [_readers(loaded, skipping, exit_index) for exit_index in heads]
        self._asked = [True for _ in heads]
        self._state = [_state_buffers(loaded, skipping, exit_index) for exit_index in heads]
        rows = max(cover.rows for covers in costs.head_covers for cover in covers)
        self._staged = [] if skipping is None else [StagedHead(loaded, k, costs.head_covers[k], rows) for k in heads]

    def warm_up(self) -> None:
        """See `ChainExecutor.warm_up`."""
        super().warm_up()
        for exit_index, covers in enumerate(self._head_covers):
            for piece in {piece for cover in covers for piece in cover.pieces}:
                self._loaded.head_session(exit_index, piece).run()
        for staged in self._staged:
            staged.warm_up()

    def infer(
        self,
        inputs: Mapping[str, Array],
        thresholds: Sequence[float | None],
        answers: Answers,
        *,
        since_ns: int | None = None,
    ) -> tuple[Step, ...]:
        """See `ChainExecutor.infer`."""
        for exit_index in reversed(range(len(self._asked))):
            later, by_segment = self._readers[exit_index]
            read = by_segment or any(self._asked[other] for other in later)
            self._asked[exit_index] = read or thresholds[exit_index] is not None
        return super().infer(inputs, thresholds, answers, since_ns=since_ns)

    def _run_for_all(self, segment: int, rows: int) -> None:
        """See `ChainExecutor._run_for_all`."""
        self._run(segment, rows)
        if segment < len(self._head_covers):
            self._run_head(segment, rows)

    def _test(self, segment: int, threshold: float | Everybody | None, alive: NDArray[np.bool_]) -> int | None:  # noqa: ARG002 - `infer` looked at all of them
        """Run the head for the samples that are tested; return how many they are, None at the final exit."""
        if segment == len(self._head_covers):
            return None
        rows = len(alive)
        if self._skipping is None:
            if not self._asked[segment]:
                return 0
            self._run_head(segment, rows)
            return int(alive.sum())
        tested = self._due(segment, alive)
        count = int(tested.sum())
        if count == 0:
            self._carry_state(segment, rows)
        elif self._run_ms_in_place(segment, rows) <= self._run_ms_gathered(segment, count):
            self._run_head(segment, rows)
            self._scores[segment][:rows][~tested] = np.nan
        else:
            self._carry_state(segment, rows)
            self._scores[segment][:rows] = np.nan
            self._staged[segment].run(tested.nonzero()[0])
        return count

    def _due(self, segment: int, alive: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which rows hold a sample that is tested at this exit; none where nobody asks for it."""
        assert self._skipping is not None  # noqa: S101 - the caller looked
        if segment < self._skipping.first_exit or not self._asked[segment]:
            return np.zeros(len(alive), np.bool_)
        if segment == 0:
            return alive
        due: NDArray[np.bool_] = self._state[segment - 1][self._skipping.due][: len(alive)] <= segment
        return alive & due

    def _carry_state(self, segment: int, rows: int) -> None:
        """Hand on the state of the exit before; before the first test, what it is then."""
        assert self._skipping is not None  # noqa: S101 - only such chains carry state past a head
        for name, buffer in self._state[segment].items():
            if segment == 0 or segment < self._skipping.first_exit:
                buffer[:rows] = self._skipping.first_exit if name == self._skipping.due else 0
            else:
                buffer[:rows] = self._state[segment - 1][name][:rows]

    def _run_head(self, exit_index: int, rows: int) -> None:
        """Run a head on the first rows of the buffers."""
        runs = self._head_runs[exit_index].get(rows)
        if runs is None:
            pieces = self._head_covers[exit_index][rows].pieces
            runs = tuple(self._loaded.head_session(exit_index, piece).run for piece in pieces)
            self._head_runs[exit_index][rows] = runs
        for run in runs:
            run()

    def _run_ms_in_place(self, exit_index: int, rows: int) -> float:
        return self._head_covers[exit_index][rows].run_ms

    def _run_ms_gathered(self, exit_index: int, count: int) -> float:
        return self._head_covers[exit_index][count].run_ms + count * self._move_ms[exit_index]


class StagedHead:
    """A head on buffers of its own, into which the tested rows are gathered.

    Args:
        loaded: the chain; its buffers are allocated.
        exit_index: which head.
        covers: `[rows]` the cheapest cover.
        rows: the most rows that a cover touches.
    """

    def __init__(self, loaded: LoadedChain, exit_index: int, covers: tuple[Cover, ...], rows: int) -> None:
        self._engine: Engine = loaded.heads[exit_index]
        self._covers = covers
        self._inputs = {spec.name: allocate(spec, rows) for spec in self._engine.inputs}
        self._outputs = {spec.name: allocate(spec, rows) for spec in self._engine.outputs}
        self._given = [(loaded.buffer(name), buffer) for name, buffer in self._inputs.items()]
        self._made = [(loaded.buffer(name), buffer) for name, buffer in self._outputs.items()]
        self._runs: dict[Piece, Callable[[], None]] = {}

    def warm_up(self) -> None:
        """Open every session that a batch may need, and run it once."""
        for piece in {piece for cover in self._covers for piece in cover.pieces}:
            self._run_of(piece)()

    def run(self, index: NDArray[np.intp]) -> None:
        """Run on some rows of the chain's buffers, and put what the head makes into the same rows."""
        count = len(index)
        for source, target in self._given:
            source.take(index, axis=0, out=target[:count], mode="clip")
        for piece in self._covers[count].pieces:
            self._run_of(piece)()
        for target, source in self._made:
            target[index] = source[:count]

    def _run_of(self, piece: Piece) -> Callable[[], None]:
        if piece not in self._runs:
            rows = slice(piece.offset, piece.offset + piece.bucket)
            session = self._engine.open(
                {name: buffer[rows] for name, buffer in self._inputs.items()},
                {name: buffer[rows] for name, buffer in self._outputs.items()},
            )
            self._runs[piece] = session.run
        return self._runs[piece]


def _readers(loaded: LoadedChain, skipping: Skipping | None, exit_index: int) -> tuple[tuple[int, ...], bool]:
    """Which later heads read what a head makes, and whether a segment does.

    By which exit a sample is due does not count for a segment: the final exit tests whoever comes there.
    """
    made = {spec.name for spec in loaded.heads[exit_index].outputs}
    later = range(exit_index + 1, len(loaded.heads))
    heads = tuple(other for other in later if any(spec.name in made for spec in loaded.heads[other].inputs))
    if skipping is not None:
        made.discard(f"state_{exit_index}_{skipping.due}")
    return heads, any(spec.name in made for engine in loaded.engines[exit_index + 1 :] for spec in engine.inputs)


def _state_buffers(loaded: LoadedChain, skipping: Skipping | None, exit_index: int) -> Mapping[str, Array]:
    """Buffers of the state that an exit hands on, by the name that the policy gives it."""
    names = () if skipping is None else skipping.state
    return {name: loaded.buffer(f"state_{exit_index}_{name}") for name in names}
