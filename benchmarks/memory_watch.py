"""Memory of a server over time."""

import threading
from time import monotonic
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from benchmarks.server_footprint import footprint

__all__ = ["MemoryWatch", "growth_over", "peak_growth"]

EVERY_S = 0.5


class MemoryWatch:
    """A context manager that looks at a process again and again.

    Args:
        pid: the process.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._looks: list[tuple[float, int]] = []
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    @property
    def looks(self) -> NDArray[np.float64]:
        """`[looks, 2]` seconds since the first look, and bytes."""
        found = np.array(self._looks, np.float64)
        return found - [found[0, 0], 0]

    def _work(self) -> None:
        while True:
            self._looks.append((monotonic(), footprint(self._pid).memory_bytes))
            if self._stop.wait(EVERY_S):
                return


def growth_over(looks: NDArray[np.float64]) -> float:
    """How much memory grew from first to last look by the straight line of least squares, as a share of its mean."""
    seconds, memory = looks.T
    slope = float(np.polyfit(seconds, memory, 1)[0])
    return slope * float(seconds[-1] - seconds[0]) / float(memory.mean())


def peak_growth(looks: NDArray[np.float64]) -> float:
    """How much the peak of the last third is above that of the first two, as a share of the latter.

    Where models are swapped, memory goes up and down by a model; what is lost with each swap raises the peaks.
    """
    memory = looks[:, 1]
    cut = -(-2 * len(memory) // 3)
    return float(memory[cut:].max() / memory[:cut].max()) - 1
