"""How many rows the next segment should run on, and in which bucket: tables for the exit kernel.

On a device one bucket covers a batch: its address is that of the first row, as TensorRT's alignment asks, and there is
one graph a bucket to launch.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_ROWS", "bucket_of_rows", "next_rows_table"]

MOST_ROWS = 4096
"""The largest bucket on a device: the table has its square of numbers, 64 MiB at this size."""


def bucket_of_rows(buckets: Sequence[int], bucket_ms: Sequence[float]) -> NDArray[np.int32]:
    """Return the number of the cheapest bucket that holds 0, 1, … rows; for 0 rows the number of buckets, "none".

    Args:
        buckets: ascending.
        bucket_ms: milliseconds of each.

    Returns:
        `[buckets[-1] + 1] int32`.
    """
    cost, sizes = np.asarray(bucket_ms, np.float64), np.asarray(buckets)
    numbers = [int(np.where(sizes >= rows, cost, np.inf).argmin()) for rows in range(1, buckets[-1] + 1)]
    return np.array([len(buckets), *numbers], np.int32)


def next_rows_table(buckets: Sequence[int], bucket_ms: Sequence[float], move_ms: float) -> NDArray[np.int32]:
    """Return `[rows now][survivors]`: the rows to run next, fewest expected milliseconds, moves included.

    Rows between the survivors' number and all of them are considered; all means: nothing moves, the dead are ignored.
    Survivors are taken to be spread evenly, so `survivors · (1 − r / rows)` of them are expected behind row `r`. Of
    equals the most rows are taken, which moves the fewest. So among numbers that run in the same bucket only the
    largest can be cheapest, and only these are compared.

    Args:
        buckets: ascending.
        bucket_ms: milliseconds of the next segment at each.
        move_ms: milliseconds to move one survivor.

    Returns:
        `[buckets[-1] + 1, buckets[-1] + 1] int32`, 0 where there are more survivors than rows, or none.
    """
    most = buckets[-1]
    numbers = bucket_of_rows(buckets, bucket_ms)
    run_ms = np.array([0.0, *(bucket_ms[number] for number in numbers[1:])])
    ends = np.flatnonzero(numbers[1:-1] != numbers[2:]) + 1
    table = np.zeros((most + 1, most + 1), np.int32)
    for rows in range(1, most + 1):
        survivors = np.arange(1, rows + 1)[:, None]
        choices = np.array([rows, *ends[ends < rows][::-1]])
        total = run_ms[choices] + move_ms * survivors * (1 - choices / rows)
        best = np.where(choices < survivors, np.inf, total).argmin(axis=1)
        table[rows, 1 : rows + 1] = choices[best]
    return table
