"""The order in which samples are given to the contestants."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["batches_of"]


def batches_of(samples: int, batch: int, *, seed: int) -> Iterator[NDArray[np.intp]]:
    """Yield full batches without end: pass after pass over all samples, each in a new random order.

    A batch may hold the end of one pass and the start of the next, so that the first `samples` indices of the stream
    are every sample once.

    Args:
        samples: how many samples there are.
        batch: how many indices `[batch] intp` to yield at a time.
        seed: seed of the orders.
    """
    generator = np.random.default_rng(seed)
    waiting = np.empty(0, np.intp)
    while True:
        while len(waiting) < batch:
            waiting = np.concatenate([waiting, generator.permutation(samples)])
        yield waiting[:batch]
        waiting = waiting[batch:]
