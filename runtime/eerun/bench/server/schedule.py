"""When queries are due: a Poisson process with a fixed seed, whatever the server does.

Source: MLPerf Inference rules, scenario Server: the time between two queries is exponentially distributed with the mean
1 / QPS, drawn before the run from a seed of its own; samples are drawn with replacement from another.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

__all__ = ["Schedule", "make_schedule", "queries_of"]

ROUNDING = 1e-12
"""Share by which a product of floats may be too large."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Schedule:
    """The queries of one block, in the order of their times.

    Attributes:
        due_ns: `[queries] int64` nanoseconds from the start of the block's load; it ascends.
        query: `[queries] int64` which of the encoded queries is sent.
        warm: the first so many are for warming up and do not count.
        length_ns: how long the counted part lasts: `queries / qps`, not up to the last arrival, so that the load is
            what was asked for on average.
    """

    due_ns: NDArray[np.int64]
    query: NDArray[np.int64]
    warm: int
    length_ns: int

    def __len__(self) -> int:
        return len(self.due_ns)

    @property
    def start_ns(self) -> int:
        """When the counted part begins."""
        return int(self.due_ns[self.warm - 1]) if self.warm else 0


def queries_of(qps: float, *, duration_s: float, min_queries: int, blocks: int) -> int:
    """Return how many queries a block has, so that all blocks together last and hold enough."""
    return -(-max(ceil(qps * duration_s * (1 - ROUNDING)), min_queries) // blocks)


def make_schedule(qps: float, *, queries: int, encoded: int, warm_up_s: float, seed: int, block: int) -> Schedule:
    """Draw the arrivals of a block.

    Args:
        qps: queries a second, on average.
        queries: how many are counted.
        encoded: how many different queries there are.
        warm_up_s: seconds of load before the first that counts.
        seed: seed of the run.
        block: number of the block; each has arrivals of its own, which every server of the block gets alike.
    """
    arrivals, samples = (np.random.default_rng((seed, block, stream)) for stream in range(2))
    warm = round(qps * warm_up_s)
    due_s = np.cumsum(arrivals.exponential(1 / qps, warm + queries))
    return Schedule(
        due_ns=(due_s * 1e9).astype(np.int64),
        query=samples.integers(0, encoded, warm + queries),
        warm=warm,
        length_ns=ceil(queries / qps * 1e9),
    )
