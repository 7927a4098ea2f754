"""The buffers and sessions of a lane: rows may wait before every segment behind the first.

Before segment `s` every value that it or a later one reads has a buffer of `R` rows where survivors wait, and `R` rows
behind them, where the segment before writes while others wait. What crosses several boundaries moves from one to the
next with the survivors.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array, allocate
from eerun.costs import CostTable, Piece
from eerun.executor.chain import LoadedChain
from eerun.executor.compaction import move_rows, plan_moves
from eerun.executor.whole_confidence import score_buffer, scoring
from eerun.folding import by_image

__all__ = ["Stages"]

Run = Callable[[], None]


class Stages:
    """Runs a segment on the rows that wait before it, and moves survivors behind those that wait before the next.

    Attributes:
        inputs: `[rows · fold, ...]` what enters, by name.

    Args:
        loaded: engines of the chain; its own buffers are not touched.
        costs: its measured times, which say how rows are covered.
        max_rows: the most rows that run together.
    """

    def __init__(self, loaded: LoadedChain, costs: CostTable, *, max_rows: int) -> None:
        self._loaded, self._covers, self._max_rows = loaded, costs.covers, max_rows
        self._fold, segments = loaded.chain.fold, range(len(loaded.engines))
        self._rows = max(cover.rows for covers in costs.covers for cover in covers[: max_rows + 1])
        specs = loaded.specs
        self._read = [{spec.name: allocate(spec, self._rows) for spec in loaded.chain.inputs}]
        self._read += [{name: allocate(specs[name], 2 * self._rows) for name in names} for names in loaded.crossing]
        self._kept = [self._allocate_kept(segment) for segment in segments]
        self._made = {(s, behind): self._made_by(s, behind=behind) for s in segments for behind in (False, True)}
        self._said = {key: self._said_by(key[0], made) for key, made in self._made.items()}
        boundaries = segments[:-1]
        self._crossing = [self._made_and_crossing(segment) for segment in boundaries]
        self._carried = [self._carried_over(segment) for segment in boundaries]
        self._runs: dict[tuple[int, int, bool], tuple[Run, ...]] = {}
        self._sessions: dict[tuple[int, Piece, bool], Run] = {}
        self.inputs = {name: by_image(buffer, self._fold) for name, buffer in self._read[0].items()}

    def warm_up(self) -> None:
        """Open every session that a run may need, and run it once."""
        for segment, covers in enumerate(self._covers):
            ways = (False, True) if segment < len(self._covers) - 1 else (False,)
            for piece in {piece for cover in covers[: self._max_rows + 1] for piece in cover.pieces}:
                for behind in ways:
                    self._session(segment, piece, behind=behind)()

    def run(self, segment: int, rows: int, *, behind: bool) -> None:
        """Run a segment on the rows in front of its buffers.

        Args:
            segment: its index.
            rows: how many.
            behind: write behind the rows that wait before the next segment.
        """
        runs = self._runs.get((segment, rows, behind))
        if runs is None:
            pieces = self._covers[segment][rows].pieces
            logits, scores = self._said[segment, behind]
            head, images = self._loaded.chain.segments[segment], rows * self._fold
            runs = (
                *(self._session(segment, piece, behind=behind) for piece in pieces),
                *scoring(head, logits[:images], scores[:images], fold=1),
            )
            self._runs[segment, rows, behind] = runs
        for run in runs:
            run()

    def said(self, segment: int, *, behind: bool) -> tuple[Array, Array]:
        """Logits `[rows · fold, *output_shape]` and scores `[rows · fold]` of what a segment wrote there."""
        return self._said[segment, behind]

    def advance(
        self, segment: int, rows: int, stay: NDArray[np.intp], facts: Sequence[tuple[Array, Array]], *, waiting: int
    ) -> None:
        """Move the rows that go on behind those that wait before the next segment.

        Args:
            segment: the one that ran.
            rows: on how many rows; it wrote behind others if any wait.
            stay: `[stay] intp` those that go on, ascending, at least one.
            facts: arrays `[rows, ...]` of this segment and of the next one, which move along.
            waiting: how many wait before the next segment.
        """
        count, order = len(stay), stay
        if not waiting and count < rows:
            order = self._fill_holes(segment, rows, stay)
        target = slice(waiting, waiting + count)
        if waiting:
            for made in self._crossing[segment]:
                _move(made[self._rows :], order, made[target], rows)
        for given, taken in self._carried[segment]:
            _move(given, order, taken[target], rows)
        for before, after in facts:
            _move(before, order, after[target], rows)

    def _fill_holes(self, segment: int, rows: int, stay: NDArray[np.intp]) -> NDArray[np.intp]:
        """Gather survivors in place; return which row each of the rows in front was."""
        alive = np.zeros(rows, np.bool_)
        alive[stay] = True
        moves = plan_moves(alive, len(stay))
        move_rows(self._crossing[segment], moves)
        order = np.arange(len(stay))
        order[moves.targets] = moves.sources
        return order

    def _allocate_kept(self, segment: int) -> dict[str, Array]:
        """What a segment makes and no later one reads."""
        later = self._loaded.crossing[segment] if segment < len(self._loaded.crossing) else ()
        outputs = self._loaded.engines[segment].outputs
        return {spec.name: allocate(spec, self._rows) for spec in outputs if spec.name not in later}

    def _made_by(self, segment: int, *, behind: bool) -> Mapping[str, Array]:
        """Where a segment writes, `[R, ...]` by name."""
        names = [spec.name for spec in self._loaded.engines[segment].outputs]
        kept, first = self._kept[segment], self._rows if behind else 0
        rows = slice(first, first + self._rows)
        return {name: kept[name] if name in kept else self._read[segment + 1][name][rows] for name in names}

    def _said_by(self, segment: int, made: Mapping[str, Array]) -> tuple[Array, Array]:
        head = self._loaded.chain.segments[segment]
        scores = score_buffer(head, made.__getitem__, fold=self._fold)
        return by_image(made[head.logits], self._fold), scores.reshape(-1)

    def _made_and_crossing(self, segment: int) -> list[Array]:
        """What waits before the next segment and is made by this one."""
        made = self._made[segment, False]
        return [buffer for name, buffer in self._read[segment + 1].items() if name in made]

    def _carried_over(self, segment: int) -> list[tuple[Array, Array]]:
        """What waits before this segment and before the next one."""
        made, before = self._made[segment, False], self._read[segment]
        return [(before[name], buffer) for name, buffer in self._read[segment + 1].items() if name not in made]

    def _session(self, segment: int, piece: Piece, *, behind: bool) -> Run:
        """The run of a segment on some rows; opened at the first call, kept afterwards."""
        key = (segment, piece, behind)
        if key not in self._sessions:
            engine, rows = self._loaded.engines[segment], slice(piece.offset, piece.offset + piece.bucket)
            session = engine.open(
                {spec.name: self._read[segment][spec.name][rows] for spec in engine.inputs},
                {name: buffer[rows] for name, buffer in self._made[segment, behind].items()},
            )
            self._sessions[key] = session.run
        return self._sessions[key]


def _move(source: Array, order: NDArray[np.intp], target: Array, rows: int) -> None:
    """Copy rows; all of them in one go where nobody is missing."""
    if len(order) == rows:
        target[...] = source[:rows]
    elif len(order) == 1:
        target[0] = source[order[0]]
    else:
        source.take(order, axis=0, out=target, mode="clip")
