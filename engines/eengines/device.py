"""What a device with memory of its own offers: memory, streams, events, graphs and kernels.

Two implementations: CUDA (`eengines.devices.cuda`), and a CPU that behaves like one (`eengines.devices.cpu`): work that
is put on a stream runs later, in the order of the stream, and in no order with other streams but for events. Addresses
are plain integers, as in CUDA's driver API; memory belongs to the object that was returned for it.

Calls that enqueue return at once. A device may be used from several threads; one stream from one thread at a time.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from eengines.engine import Capability

__all__ = [
    "Device",
    "DeviceView",
    "Event",
    "Graph",
    "GraphBuilder",
    "Kernel",
    "Memory",
    "PinnedMemory",
    "Program",
    "Stream",
]


@dataclass(frozen=True, kw_only=True)
class Program:
    """A kernel in two forms that do the same to the same memory.

    Attributes:
        name: the `extern "C"` entry.
        source: CUDA C++, for sm_60 and later, without includes from a toolkit.
        defines: macros to set, `NAME=VALUE`.
        reference: the whole grid in numpy, given the arguments of a launch and the setter of conditional values
            `(selector, value)`; a device without CUDA runs this.
    """

    name: str
    source: str
    defines: tuple[str, ...]
    reference: Callable[[Sequence[int], Callable[[int, int], None]], None]


class Memory(Protocol):
    """Bytes on the device. They are freed when the object is collected, once enqueued work cannot need them."""

    @property
    def address(self) -> int:
        """Where they begin, aligned to 256 bytes."""

    @property
    def nbytes(self) -> int:
        """How many they are."""


class PinnedMemory(Memory, Protocol):
    """Bytes of the host that the device reads and writes at `address`."""

    @property
    def array(self) -> NDArray[np.uint8]:
        """The same bytes for the host, `[nbytes] uint8`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceView:
    """Somebody else's array on the device, C-contiguous, taken without a copy.

    Attributes:
        address: where it begins.
        dtype: numpy's name of the element type.
        shape: with the batch axis.
        owner: keeps the memory alive.
    """

    address: int
    dtype: str
    shape: tuple[int, ...]
    owner: Any


class Event(Protocol):
    """A point in the work of a stream."""

    def record(self, stream: "Stream") -> None:
        """Mark the work that is on the stream now."""

    def wait(self) -> None:
        """Return when the marked work is done; the host waits.

        Raises:
            EngineError: the work failed.
        """

    def is_done(self) -> bool:
        """Whether the marked work is done, without waiting."""

    def ms_since(self, start: "Event") -> float:
        """Milliseconds between two timed events that are done."""


class Stream(Protocol):
    """Work that runs in order."""

    @property
    def handle(self) -> int:
        """What libraries take: a `cudaStream_t`."""

    def wait_for(self, event: Event) -> None:
        """Let work that is enqueued from now on start after the event; the host goes on."""

    def synchronize(self) -> None:
        """Return when all work is done."""


class Graph(Protocol):
    """Recorded work."""

    def launch(self, stream: Stream) -> None:
        """Enqueue all of it at once."""


class GraphBuilder(Protocol):
    """Records work, in order, while `Device.capture` runs."""

    @property
    def stream(self) -> Stream:
        """What is enqueued on it is recorded instead of run."""

    def selector(self) -> int:
        """Make a conditional value, 0 at each launch, and return its handle; a kernel of this graph sets it."""

    def switch(self, selector: int, bodies: Sequence[Callable[[Stream], None]]) -> None:
        """Record a node that runs body number `value`, or none if there is none of that number.

        Each body enqueues on the stream it is given. Needs `Device.probe_switch`.
        """


class Kernel(Protocol):
    """A program that was compiled for the device."""

    def launch(self, stream: Stream, *, grid: tuple[int, int], threads: int, arguments: Sequence[int]) -> None:
        """Enqueue a launch; every argument is a 64-bit integer, such as an address or a selector."""


class Device(Protocol):
    """One device."""

    @property
    def name(self) -> str:
        """As its maker calls it."""

    @property
    def compute_capability(self) -> tuple[int, int] | None:
        """CUDA's (major, minor); None if it is not a GPU."""

    @property
    def driver(self) -> str:
        """Version of its driver, for records and cache keys."""

    def use(self) -> AbstractContextManager[None]:
        """Make it the thread's current device; afterwards the thread has the one that it had before.

        All other methods, and those of the objects that they return, are called inside.

        Raises:
            EngineError: the process was forked after the device was opened.
        """

    def memory(self, nbytes: int) -> Memory:
        """Reserve zeroed bytes on the device, at least one."""

    def pinned(self, nbytes: int) -> PinnedMemory:
        """Reserve zeroed bytes of the host that the device can reach, at least one."""

    def stream(self, *, priority: int = 0) -> Stream:
        """Make a stream; lower numbers go first, clipped to what the device has."""

    def event(self, *, timed: bool = False) -> Event:
        """Make an event; only a timed one takes part in `ms_since`."""

    def copy(self, target: int, source: int, nbytes: int, stream: Stream) -> None:
        """Enqueue a copy between addresses of the device or of pinned memory."""

    def capture(self, record: Callable[[GraphBuilder], None]) -> Graph:
        """Record work into a graph. What `record` enqueues on the builder's stream does not run now."""

    def probe_switch(self) -> Capability:
        """Whether graphs can have switches here, and if not, why."""

    def kernel(self, program: Program) -> Kernel:
        """Compile a program.

        Raises:
            EngineError: the compiler is missing or refuses it.
        """

    def view(self, array: Any, stream: Stream) -> DeviceView | None:
        """Take an array that lies on this device, by `__cuda_array_interface__` or DLPack; None: it lies elsewhere.

        Work enqueued on `stream` afterwards sees the array as its owner's stream leaves it.

        Raises:
            InputError: it is on this device, but not C-contiguous.
        """
