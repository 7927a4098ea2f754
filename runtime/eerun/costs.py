"""What each segment costs at each bucket, `T_k(b)`, and the cheapest way to run any number of rows.

An engine is prepared for a few batch sizes, the buckets. `r` rows are covered by one or more buckets one after the
other (23 rows may run as 16 + 8, or as 32), whichever the measured times say is cheapest. That choice is made once, for
every `r`, when a bundle is opened.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from eengines.errors import BundleError

__all__ = ["CostTable", "Cover", "Piece", "cheapest_covers"]


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One run: rows `offset` to `offset + bucket` of the buffers."""

    offset: int
    bucket: int


@dataclass(frozen=True, kw_only=True)
class Cover:
    """The runs that cover a number of rows, and what they cost together in milliseconds."""

    pieces: tuple[Piece, ...]
    run_ms: float

    @property
    def rows(self) -> int:
        """How many rows of the buffers the runs touch, padding included."""
        return sum(piece.bucket for piece in self.pieces)


@dataclass(frozen=True, kw_only=True)
class CostTable:
    """Measured times of one engine on one machine.

    Attributes:
        engine: name of the backend.
        precision: precision of the graphs.
        device: the processor that was measured, and the number of threads.
        buckets: batch sizes, ascending; the last is the largest batch.
        segment_ms: `[segment][bucket]` milliseconds.
        whole_ms: `[bucket]` milliseconds of the whole network without exit heads.
        move_ms: `[boundary]` milliseconds to move one survivor's row over boundary `k`.
        head_ms: `[early exit][bucket]` milliseconds of the heads, where they are graphs of their own; `segment_ms` is
            without them then. Empty: heads are in their segments.
    """

    engine: str
    precision: str
    device: str
    buckets: tuple[int, ...]
    segment_ms: tuple[tuple[float, ...], ...]
    whole_ms: tuple[float, ...]
    move_ms: tuple[float, ...]
    head_ms: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        rows = [*self.segment_ms, *self.head_ms, self.whole_ms]
        values = [value for row in rows for value in row] + list(self.move_ms)
        if (
            not self.buckets
            or list(self.buckets) != sorted(set(self.buckets))
            or self.buckets[0] < 1
            or any(len(row) != len(self.buckets) for row in rows)
            or len(self.move_ms) != len(self.segment_ms) - 1
            or len(self.head_ms) not in (0, len(self.move_ms))
            or not all(0 <= value < float("inf") for value in values)
        ):
            raise BundleError(
                "cost table",
                f"got {len(self.segment_ms)} segments, buckets {list(self.buckets)}, with a row that does not fit them",
                "Build the bundle again",
            )

    @property
    def segments(self) -> int:
        """Number of segments."""
        return len(self.segment_ms)

    @property
    def max_batch(self) -> int:
        """The largest number of rows that run together."""
        return self.buckets[-1]

    @cached_property
    def covers(self) -> tuple[tuple[Cover, ...], ...]:
        """`[segment][rows]`, rows from 0 to `max_batch`: the cheapest cover."""
        return tuple(cheapest_covers(self.buckets, row) for row in self.segment_ms)

    @cached_property
    def head_covers(self) -> tuple[tuple[Cover, ...], ...]:
        """`[early exit][rows]`: the cheapest cover of heads that are graphs of their own; empty without such."""
        return tuple(cheapest_covers(self.buckets, row) for row in self.head_ms)

    def of_whole(self) -> "CostTable":
        """The table of the network without exit heads, as a chain of one segment."""
        return replace(self, segment_ms=(self.whole_ms,), move_ms=(), head_ms=())

    def run_ms(self, segment: int, rows: int) -> float:
        """Milliseconds of `rows` rows (0 to `max_batch`) of a segment, covered in the cheapest way."""
        return self.covers[segment][rows].run_ms

    def chain_ms(self, rows: int) -> float:
        """Milliseconds of `rows` rows if nobody leaves early and every head runs."""
        segments = sum(self.run_ms(segment, rows) for segment in range(self.segments))
        return segments + sum(self.run_head_ms(exit_index, rows) for exit_index in range(len(self.head_ms)))

    def run_head_ms(self, exit_index: int, rows: int) -> float:
        """Milliseconds of `rows` rows (0 to `max_batch`) of an early exit's head; 0 where it is in its segment."""
        return self.head_covers[exit_index][rows].run_ms if self.head_ms else 0.0


def cheapest_covers(buckets: Sequence[int], bucket_ms: Sequence[float]) -> tuple[Cover, ...]:
    """Return the cheapest cover of every number of rows from 0 to the largest bucket (dynamic programming).

    Larger buckets come first, so that rows of padding are at the end.
    """
    best_ms = [0.0]
    choice: list[tuple[int, ...]] = [()]
    for rows in range(1, buckets[-1] + 1):
        options = [
            (ms + best_ms[max(rows - bucket, 0)], (bucket, *choice[max(rows - bucket, 0)]))
            for bucket, ms in zip(buckets, bucket_ms, strict=True)
        ]
        run_ms, chosen = min(options, key=lambda option: (option[0], len(option[1])))
        best_ms.append(run_ms)
        choice.append(tuple(sorted(chosen, reverse=True)))
    return tuple(Cover(pieces=_place(chosen), run_ms=ms) for chosen, ms in zip(choice, best_ms, strict=True))


def _place(chosen: Sequence[int]) -> tuple[Piece, ...]:
    """Lay buckets one behind the other."""
    pieces, offset = [], 0
    for bucket in chosen:
        pieces.append(Piece(offset=offset, bucket=bucket))
        offset += bucket
    return tuple(pieces)
