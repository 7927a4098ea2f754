"""Measure this machine: how fast it multiplies and how fast it copies, in a fraction of a second.

Arithmetic is a product of two square matrices in float32 by numpy, on as many threads as its BLAS takes. Memory is a
copy between two arrays that no cache holds, in as many parts as there are cores; a byte that is copied is read and
written. Of several runs the fastest counts. An engine can do less, and in bfloat16 or INT8 more: what this says is
where the ridge lies, roughly.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter_ns

import numpy as np

from eengines.peaks import Peak
from eengines.threads import default_threads

__all__ = ["measure_peak"]

MATRIX = 1024
COPIED_BYTES = 2**28
RUNS = 5


def measure_peak() -> Peak:
    """Return float32 operations and bytes a second of this machine."""
    generator = np.random.default_rng(0)
    left, right = (generator.standard_normal((MATRIX, MATRIX), dtype=np.float32) for _ in range(2))
    product = np.empty_like(left)
    product_s = _fastest(lambda: np.matmul(left, right, out=product))
    parts = default_threads()
    source = np.ones((parts, COPIED_BYTES // parts), np.uint8)
    copied = np.zeros_like(source)
    with ThreadPoolExecutor(parts) as pool:
        copy_s = _fastest(lambda: list(pool.map(np.copyto, copied, source)))
    return Peak(
        tera_ops={"float32": 2 * MATRIX**3 / product_s / 1e12},
        gigabytes=2 * source.nbytes / copy_s / 1e9,
    )


def _fastest(run: Callable[[], object]) -> float:
    """Seconds of the fastest of some runs."""
    times = []
    for _ in range(RUNS):
        before = perf_counter_ns()
        run()
        times.append(perf_counter_ns() - before)
    return min(times) / 1e9
