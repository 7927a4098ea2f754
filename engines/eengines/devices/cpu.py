"""A CPU that behaves like a GPU: work waits in streams until somebody needs it, and only events order streams.

It runs the device executor where there is no GPU, with real memory and real results. Work is done by the thread that
waits for an event or a stream, and some of it sooner, while more is enqueued; among the streams that could go on, the
next is drawn by a seeded generator. So a missing wait shows as a wrong answer, and the same seed shows it again.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ctypes import memmove
from dataclasses import dataclass
from typing import Any

from eengines.device import DeviceView, GraphBuilder, Kernel, Program, Stream
from eengines.devices.array_interface import dense_shape, native_dtype
from eengines.devices.cpu_graph import CpuGraph, Selectors, capture
from eengines.devices.cpu_memory import CpuMemory
from eengines.devices.cpu_stream import CpuEvent, CpuStream, own_stream
from eengines.devices.cpu_work import Works
from eengines.engine import Capability
from eengines.errors import EngineError

__all__ = ["CpuDevice", "CpuStream"]


@dataclass(frozen=True, kw_only=True, eq=False)
class CpuKernel:
    """A program's reference."""

    program: Program
    select: Callable[[int, int], None]

    def launch(self, stream: Stream, *, grid: tuple[int, int], threads: int, arguments: Sequence[int]) -> None:
        """See `Kernel.launch`; the reference does the work of any grid."""
        if min(*grid, threads) < 1:
            raise EngineError(
                f"kernel {self.program.name}", f"got grid {grid}, {threads} threads, expected 1 or more", "Launch more"
            )
        given = tuple(arguments)
        own_stream(stream).call(lambda: self.program.reference(given, self.select))


class CpuDevice:
    """See `Device`.

    Args:
        seed: of the order in which streams go on, and of how soon.
    """

    name = "CPU"
    compute_capability: tuple[int, int] | None = None
    driver = "none"

    def __init__(self, *, seed: int = 0) -> None:
        self._works = Works(seed)
        self._selectors = Selectors()

    @contextmanager
    def use(self) -> Iterator[None]:
        """See `Device.use`: there is nothing to make current."""
        yield

    def memory(self, nbytes: int) -> CpuMemory:
        """See `Device.memory`."""
        return CpuMemory(self._works, nbytes)

    def pinned(self, nbytes: int) -> CpuMemory:
        """See `Device.pinned`."""
        return CpuMemory(self._works, nbytes)

    def stream(self, *, priority: int = 0) -> CpuStream:  # noqa: ARG002 - the order is drawn
        """See `Device.stream`."""
        return CpuStream(self._works)

    def event(self, *, timed: bool = False) -> CpuEvent:
        """See `Device.event`."""
        return CpuEvent(self._works, timed=timed)

    def copy(self, target: int, source: int, nbytes: int, stream: Stream) -> None:
        """See `Device.copy`."""
        own_stream(stream).call(lambda: _copy(target, source, nbytes))

    def capture(self, record: Callable[[GraphBuilder], None]) -> CpuGraph:
        """See `Device.capture`."""
        return capture(self._works, self._selectors, record)

    def probe_switch(self) -> Capability:
        """See `Device.probe_switch`."""
        return Capability(ok=True, reason="switches are run by the host")

    def kernel(self, program: Program) -> Kernel:
        """See `Device.kernel`."""
        return CpuKernel(program=program, select=self._selectors.set)

    def view(self, array: Any, stream: Stream) -> DeviceView | None:  # noqa: ARG002 - its owner has no stream here
        """See `Device.view`: whoever has `__cuda_array_interface__` is taken to be here."""
        interface = getattr(array, "__cuda_array_interface__", None)
        if interface is None:
            return None
        shape, dtype = dense_shape(interface), native_dtype(interface)
        return DeviceView(address=int(interface["data"][0]), dtype=dtype, shape=shape, owner=array)


def _copy(target: int, source: int, nbytes: int) -> None:
    memmove(target, source, nbytes)
