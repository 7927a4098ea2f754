"""Memory of a GPU, and pinned memory of the host.

Memory comes from the device's default pool (`cuMemAllocAsync`), which returns what is free to the system; GPUs or
drivers without pools (vGPUs, for instance) get it from `cuMemAlloc`. It is given out, zeroed and taken back on a stream
of its own, which on the way back first waits for all work that is enqueued at that moment.
"""

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eengines.devices.cuda_context import CudaContext
from eengines.devices.cuda_driver import check
from eengines.errors import EngineError

__all__ = ["CudaMemory", "CudaPinnedMemory"]


class CudaMemory:
    """See `Memory`."""

    def __init__(self, context: CudaContext, nbytes: int, *, pooled: bool) -> None:
        _check_size(nbytes)
        driver, stream = context.driver, context.housekeeping
        allocated = driver.cuMemAllocAsync(nbytes, stream) if pooled else driver.cuMemAlloc(nbytes)
        self.address = int(check(allocated, f"reserving {nbytes} bytes of GPU memory"))
        self.nbytes = nbytes
        context.give_back(self, _free_pooled if pooled else _free, context, self.address)
        check(driver.cuMemsetD8Async(self.address, 0, nbytes, stream), "zeroing memory")
        check(driver.cuStreamSynchronize(stream), "zeroing memory")


class CudaPinnedMemory:
    """See `PinnedMemory`; the bytes live as long as this object or a view of its array."""

    def __init__(self, context: CudaContext, nbytes: int) -> None:
        _check_size(nbytes)
        driver = context.driver
        flags = driver.CU_MEMHOSTALLOC_PORTABLE | driver.CU_MEMHOSTALLOC_DEVICEMAP
        host = int(check(driver.cuMemHostAlloc(nbytes, flags), f"reserving {nbytes} bytes of pinned memory"))
        block = (ctypes.c_uint8 * nbytes).from_address(host)
        context.give_back(block, _free_pinned, context, host)
        self.address = int(check(driver.cuMemHostGetDevicePointer(host, 0), "mapping pinned memory"))
        self.nbytes = nbytes
        self.array: NDArray[np.uint8] = np.ctypeslib.as_array(block)
        self.array[:] = 0


def _check_size(nbytes: int) -> None:
    if nbytes < 1:
        raise EngineError("memory", f"got {nbytes} bytes, expected at least 1", "Reserve what is needed")


def _free_pooled(context: CudaContext, address: int) -> Any:
    """Free when all work that is enqueued now is done; returns at once."""
    context.wait_for_all_streams()
    return context.driver.cuMemFreeAsync(address, context.housekeeping)


def _free(context: CudaContext, address: int) -> Any:
    """Free when all work that is enqueued now is done; waits for it."""
    context.wait_for_all_streams()
    context.driver.cuStreamSynchronize(context.housekeeping)
    return context.driver.cuMemFree(address)


def _free_pinned(context: CudaContext, host: int) -> Any:
    """As `_free`, for pinned memory."""
    context.wait_for_all_streams()
    context.driver.cuStreamSynchronize(context.housekeeping)
    return context.driver.cuMemFreeHost(host)
