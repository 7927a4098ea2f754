"""A histogram of a stream of numbers: bounded memory, and exactly the same whatever the order and the batches.

The width of a bin is a power of two that depends only on the largest magnitude seen, and a value goes to the bin of its
quotient by the width, rounded towards zero. Dividing by a power of two is exact in float32, and rounding a quotient
again after halving it gives what rounding the half would have given. So when a larger magnitude arrives, adding
neighbours pairwise leaves precisely the counts that wider bins would have had from the start.
"""

import math

import numpy as np
from numpy.typing import NDArray

from eecalib.int8.extremes import Extremes
from eecalib.int8.observed import Bins, Observed

__all__ = ["BINS", "Histogram"]

_LOG_BINS = 12

BINS = 1 << _LOG_BINS
"""Bins for each sign. The largest magnitude lies in the upper half of them, so at least half are in use."""

_MIN_EXPONENT = -126
"""Of the width: its inverse must be a normal float32."""

_CHUNK = 1 << 16
"""Values that are binned at a time: the scratch arrays, 512 KiB, stay in a core's cache."""


class Histogram(Extremes):
    """Counts of one tensor's values by sign and size, with the exact extremes.

    Memory: `BINS` counts of 8 bytes (32 KiB), twice that once a value was negative; 1 MiB of scratch during `add`.

    Args:
        name: of the tensor, for messages.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._exponent = _MIN_EXPONENT
        self._counts = np.zeros((1, BINS), np.int64)

    def add(self, values: NDArray[np.float32]) -> None:
        """Take in an array of any shape. Nothing of it is kept.

        Raises:
            UserError: the array is not float32.
            DataError: a value is NaN or infinite; the array then leaves no trace.
        """
        flat, low, high = checked = self._checked(values)
        if not flat.size:
            return
        self._take(checked)
        self._grow(_exponent_for(max(-low, high)), signed=low < 0)
        if low < 0:
            both = self._count(flat, offset=BINS)
            self._counts[0] += both[BINS:]
            self._counts[1, 1:] += both[BINS - 1 : 0 : -1]
        else:
            self._counts[0] += self._count(flat, offset=0)

    def observed(self) -> Observed:
        """Return what was seen so far; the counts are a copy."""
        seen = super().observed()
        bins = Bins(width=math.ldexp(1.0, self._exponent), counts=self._counts.copy())
        return Observed(name=seen.name, values=seen.values, low=seen.low, high=seen.high, bins=bins)

    def _grow(self, exponent: int, *, signed: bool) -> None:
        """Make room for wider values and for negative ones."""
        if exponent > self._exponent:
            self._counts = _widened(self._counts, exponent - self._exponent)
            self._exponent = exponent
        if signed and len(self._counts) == 1:
            self._counts = np.concatenate([self._counts, np.zeros((1, BINS), np.int64)])

    def _count(self, flat: NDArray[np.float32], *, offset: int) -> NDArray[np.int64]:
        """Count values by bin, `[BINS + offset] int64`; bin i is at `offset + i`."""
        inverse = np.float32(math.ldexp(1.0, -self._exponent))
        scaled = np.empty(min(_CHUNK, flat.size), np.float32)
        index = np.empty(scaled.size, np.int32)
        counts = np.zeros(BINS + offset, np.int64)
        for start in range(0, flat.size, _CHUNK):
            chunk = flat[start : start + _CHUNK]
            where = index[: chunk.size]
            # two steps, each vectorised; a multiplication straight into int32 goes through small buffers
            np.multiply(chunk, inverse, out=scaled[: chunk.size])
            np.copyto(where, scaled[: chunk.size], casting="unsafe")
            if offset:
                where += np.int32(offset)
            counts += np.bincount(where, minlength=counts.size)
        return counts


def _exponent_for(amax: float) -> int:
    """Return the exponent of the least width at which a magnitude has a bin: `2^(e + 11) <= amax < 2^(e + 12)`."""
    # frexp calls the exponent of zero 0, which would be the width of a tensor that reaches 1
    return max(math.frexp(amax)[1] - _LOG_BINS, _MIN_EXPONENT) if amax else _MIN_EXPONENT


def _widened(counts: NDArray[np.int64], doublings: int) -> NDArray[np.int64]:
    """Return the counts `[sides, BINS]` of bins that are 2^doublings times as wide."""
    together = 1 << min(doublings, _LOG_BINS)
    wide = np.zeros_like(counts)
    wide[:, : BINS // together] = counts.reshape(len(counts), -1, together).sum(axis=2)
    # of a negative number, too, what is rounded to zero belongs to bin 0 of side 0
    wide[0, 0] += wide[1:, 0].sum()
    wide[1:, 0] = 0
    return wide
