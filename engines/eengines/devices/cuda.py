"""NVIDIA GPUs, through CUDA's driver API.

Only the primary context is used, which the CUDA runtime, TensorRT, torch and cupy use too: their arrays are ours, and
ours theirs. It is opened when the device is first used, so that asking for its name costs no memory on the GPU.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from eengines.device import DeviceView, GraphBuilder, Program, Stream
from eengines.devices import cuda_graph, cuda_interop
from eengines.devices.cuda_context import CudaContext
from eengines.devices.cuda_driver import OTHERWISE, check, started_driver
from eengines.devices.cuda_graph import CudaGraph
from eengines.devices.cuda_memory import CudaMemory, CudaPinnedMemory
from eengines.devices.cuda_program import CudaKernel, compile_cubin
from eengines.devices.cuda_release import driver_version
from eengines.devices.cuda_stream import CudaEvent, CudaStream
from eengines.engine import Capability
from eengines.errors import EngineError
from eengines.targets import TARGETS

__all__ = ["CudaDevice", "compile_cubin", "open_cuda_device", "probe_cuda"]

NAME_LENGTH = 256
PCI_LENGTH = 32


class CudaDevice:
    """See `Device`; made by `open_cuda_device`.

    Args:
        ordinal: of the GPU, as the driver counts (after CUDA_VISIBLE_DEVICES).
    """

    def __init__(self, ordinal: int) -> None:
        self._context = context = CudaContext(ordinal)
        self._lock = threading.Lock()
        self._kernels: dict[tuple[str, str, tuple[str, ...]], CudaKernel] = {}
        self.ordinal = ordinal
        self.name: str = _name(context)
        self.compute_capability: tuple[int, int] | None = (
            _attribute(context, "COMPUTE_CAPABILITY_MAJOR"),
            _attribute(context, "COMPUTE_CAPABILITY_MINOR"),
        )
        self.driver = driver_version(context.driver)
        self._architecture = "sm_{}{}".format(*self.compute_capability)
        self._pooled = bool(_attribute(context, "MEMORY_POOLS_SUPPORTED"))

    @property
    def pci_bus_id(self) -> str:
        """Where the GPU is plugged in, as `0000:65:00.0`; MIG instances have the place of their card.

        Raises:
            EngineError: the driver does not tell.
        """
        doing, driver = "asking for the GPU's PCI bus", self._context.driver
        try:
            result = driver.cuDeviceGetPCIBusId(PCI_LENGTH, self._context.device)
        except RuntimeError as error:  # what cuda-bindings raises for a call that the driver does not have
            raise EngineError("CUDA", f"{doing} failed: {error}", OTHERWISE) from error
        name: bytes = check(result, doing)
        return name.split(b"\0")[0].decode()

    def use(self) -> AbstractContextManager[None]:
        """See `Device.use`."""
        return self._context.use()

    def memory(self, nbytes: int) -> CudaMemory:
        """See `Device.memory`. Waits until the bytes are zero."""
        return CudaMemory(self._context, nbytes, pooled=self._pooled)

    def pinned(self, nbytes: int) -> CudaPinnedMemory:
        """See `Device.pinned`."""
        return CudaPinnedMemory(self._context, nbytes)

    def stream(self, *, priority: int = 0) -> CudaStream:
        """See `Device.stream`."""
        return CudaStream(self._context, priority=priority)

    def event(self, *, timed: bool = False) -> CudaEvent:
        """See `Device.event`."""
        return CudaEvent(self._context, timed=timed)

    def copy(self, target: int, source: int, nbytes: int, stream: Stream) -> None:
        """See `Device.copy`."""
        check(self._context.driver.cuMemcpyAsync(target, source, nbytes, stream.handle), "copying")

    def capture(self, record: Callable[[GraphBuilder], None]) -> CudaGraph:
        """See `Device.capture`."""
        return cuda_graph.capture(self._context, record)

    def probe_switch(self) -> Capability:
        """See `Device.probe_switch`."""
        return cuda_graph.probe_switch(self._context)

    def kernel(self, program: Program) -> CudaKernel:
        """See `Device.kernel`. A program is compiled and loaded once."""
        key = (program.name, program.source, program.defines)
        with self._lock:
            if key not in self._kernels:
                self._kernels[key] = CudaKernel(self._context, program, self._architecture)
            return self._kernels[key]

    def view(self, array: Any, stream: Stream) -> DeviceView | None:
        """See `Device.view`.

        Raises:
            InputError: it is not C-contiguous, has a mask, or is on another GPU or in another context.
        """
        return cuda_interop.view(self._context, array, stream)


def open_cuda_device(ordinal: int = 0) -> CudaDevice:
    """Return a GPU; the same object for the same ordinal.

    Raises:
        EngineError: a package, the driver or the GPU is missing, or this process is a fork of one that opened CUDA.
    """
    count = check(started_driver().cuDeviceGetCount(), "counting GPUs")
    if not 0 <= ordinal < count:
        there = {0: "there is none", 1: "there is 1: 0"}.get(count, f"there are {count}: 0 to {count - 1}")
        raise EngineError("CUDA", f"got GPU {ordinal}, {there}", "See `nvidia-smi` and CUDA_VISIBLE_DEVICES")
    with _opening:
        return _open(ordinal)


def probe_cuda(ordinal: int = 0) -> Capability:
    """Say whether a GPU can be used, and what it computes in; takes no memory on it."""
    try:
        device = open_cuda_device(ordinal)
    except EngineError as error:
        return Capability(ok=False, reason=f"{error.problem}: {error.remedy}")
    capability = device.compute_capability or (0, 0)
    rows = [row for row in TARGETS.values() if row.compute_capability and row.compute_capability <= capability]
    nearest = max(rows, key=lambda row: row.compute_capability or (0, 0), default=TARGETS["p100"])
    return Capability(
        ok=True,
        reason="{}, compute capability {}.{}, driver {}".format(device.name, *capability, device.driver),
        precisions=frozenset(nearest.precisions if rows else ("float32",)),
    )


_opening = threading.Lock()


@cache
def _open(ordinal: int) -> CudaDevice:
    return CudaDevice(ordinal)


def _name(context: CudaContext) -> str:
    name = check(context.driver.cuDeviceGetName(NAME_LENGTH, context.device), "asking for the GPU's name")
    return str(name.split(b"\0")[0].decode())


def _attribute(context: CudaContext, name: str) -> int:
    attribute = getattr(context.driver.CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_{name}")
    return int(check(context.driver.cuDeviceGetAttribute(attribute, context.device), f"asking for {name.lower()}"))
