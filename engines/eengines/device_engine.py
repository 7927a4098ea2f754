"""The protocol between the device executor and an engine: build a plan, load it, bind it, enqueue it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from eengines.device import Device, Stream
from eengines.engine import Capability
from eengines.tensors import TensorSpec

__all__ = ["DeviceBackend", "DeviceEngine", "DeviceSession", "Plan", "PlanOptions"]


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """How a plan is built.

    Attributes:
        buckets: batch sizes that it is prepared for, ascending.
        compute_capability: CUDA's (major, minor) of the card it is for; None: the card that is here.
        workspace_bytes: most scratch memory that a layer may use while running; None: the library's choice.
        optimisation_level: how long the builder searches, 0 to 5, higher is longer; None: the library's choice.
    """

    buckets: tuple[int, ...]
    compute_capability: tuple[int, int] | None = None
    workspace_bytes: int | None = None
    optimisation_level: int | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an engine is loaded from.

    Attributes:
        content: serialized; the ONNX graph itself where the library has no plans.
        notes: what had to be changed so that the library takes the graph, one sentence each; empty: nothing.
    """

    content: bytes
    notes: tuple[str, ...] = ()


class DeviceSession(Protocol):
    """An engine bound to fixed addresses, for one bucket."""

    @property
    def capturable(self) -> bool:
        """Whether `enqueue` may be recorded into a graph, after it ran once."""

    def enqueue(self, stream: Stream) -> None:
        """Enqueue: read the bound inputs, write the bound outputs.

        Raises:
            EngineError: the library refused.
        """


class DeviceEngine(Protocol):
    """One graph, loaded on one device."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The graph's inputs, in its order."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The graph's outputs, in its order."""

    def workspace_bytes(self, bucket: int) -> int:
        """Bytes of activations that a session of this bucket needs; 0 where the library keeps its own."""

    def open(self, bucket: int, addresses: Mapping[str, int], *, workspace: int, stream: Stream) -> DeviceSession:
        """Bind `bucket` rows at the address of each input and output.

        Args:
            bucket: one of the plan's.
            addresses: of every input and output, aligned to 256 bytes, each with room for `bucket` rows.
            workspace: address of `workspace_bytes(bucket)` bytes, aligned to 256; sessions whose work never overlaps
                in time may share it.
            stream: the stream that the session will be enqueued on (or recorded for).

        Raises:
            EngineError: the bucket is not one of the plan's, or the library refuses.
        """


class DeviceBackend(Protocol):
    """A library that runs ONNX graphs on a device."""

    @property
    def name(self) -> str:
        """The name that `--engine` takes."""

    @property
    def has_plans(self) -> bool:
        """Whether building takes long and the result is worth keeping."""

    def probe(self) -> Capability:
        """Say whether the library, and a device for it, can be used on this machine."""

    def probe_build(self, compute_capability: tuple[int, int] | None) -> Capability:
        """Say whether plans for a card can be built on this machine; None: for the card that is here."""

    def identity(self, options: PlanOptions) -> Mapping[str, str]:
        """Everything outside graph and options that a plan depends on: library and version, card, driver.

        Keys are words for people, such as `TensorRT`, `driver`, `compute capability`.
        """

    def build(self, graph: bytes, options: PlanOptions, progress: Callable[[float], None]) -> Plan:
        """Build a plan from an ONNX graph with a symbolic batch axis in front of every input and output.

        Args:
            graph: the serialized graph, weights inside.
            options: how.
            progress: called with the share that is done; it may raise (`KeyboardInterrupt`) to end the build.

        Raises:
            EngineError: the library is missing, or refuses the graph: where, why, what to do.
        """

    def load(self, plan: Plan, device: Device) -> DeviceEngine:
        """Load a plan on a device.

        Raises:
            EngineError: the library refuses the plan.
        """
