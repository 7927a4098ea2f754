"""A drifting, skewed stream of requests: a few classes at a time, then others."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Phase", "make_phases", "requests"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Phase:
    """A time in which requests are of some classes alone.

    Attributes:
        classes: which.
        before: `[n]`, rows that are asked for before heads are refreshed; heads learn from these.
        after: `[m]`, rows that are asked for afterwards; none of them is among those before.
    """

    classes: tuple[int, ...]
    before: NDArray[np.int64]
    after: NDArray[np.int64]


def make_phases(labels: NDArray[np.int64], *, together: int, seed: int) -> tuple[Phase, ...]:
    """Divide samples into phases of `together` classes each; no class, hence no sample, is in two of them.

    Args:
        labels: `[samples] int64`.
        together: classes in a phase; those that are left over in the end are not used.
        seed: of the classes' order and of the cut.
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(np.unique(labels))
    phases = []
    for start in range(0, len(order) - together + 1, together):
        classes = order[start : start + together]
        before, after = np.array_split(generator.permutation(np.flatnonzero(np.isin(labels, classes))), 2)
        phases.append(Phase(classes=tuple(int(name) for name in classes), before=before, after=after))
    return tuple(phases)


def requests(rows: NDArray[np.int64], *, count: int, batch: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Batches of rows: all of them in random order, then again in another, until there are `count` requests.

    Only whole batches; the last may leave up to `batch - 1` requests out.
    """
    generator = np.random.default_rng(seed)
    rounds = -(-count // len(rows))
    asked = np.concatenate([generator.permutation(rows) for _ in range(rounds)])[:count]
    for start in range(0, count - batch + 1, batch):
        yield asked[start : start + batch]
