"""Memory of a CPU device."""

import weakref

import numpy as np
from numpy.typing import NDArray

from eengines.devices.cpu_work import Works
from eengines.errors import EngineError

__all__ = ["CpuMemory"]

ALIGNMENT = 256


class CpuMemory:
    """Aligned, zeroed bytes of the host, for the device or pinned: here both are the same.

    Attributes:
        array: `[nbytes] uint8`.
        address: where they begin.
        nbytes: how many they are.
    """

    def __init__(self, works: Works, nbytes: int) -> None:
        if nbytes < 1:
            raise EngineError("memory", f"got {nbytes} bytes, expected at least 1", "Reserve what is needed")
        block = np.zeros(nbytes + ALIGNMENT, np.uint8)
        start = -block.ctypes.data % ALIGNMENT
        self.array: NDArray[np.uint8] = block[start : start + nbytes]
        self.address = int(self.array.ctypes.data)
        self.nbytes = nbytes
        weakref.finalize(self, works.keep, block).atexit = False
