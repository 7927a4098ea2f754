"""A backend with plans, and a card, on this machine: ONNX Runtime on a CPU device that calls itself a T4.

Everything is real but the name of the card: plans are serialized, kept and loaded, and the engines compute.
"""

import zlib
from collections.abc import Callable, Mapping

from eengines.backends.onnxruntime import OnnxRuntimeBackend
from eengines.device import Device
from eengines.device_engine import DeviceEngine, Plan, PlanOptions
from eengines.devices.cpu import CpuDevice
from eengines.devices.host_engine import HostEngine
from eengines.engine import Capability
from eengines.errors import EngineError

NAME = "plans-of-the-host"


class CpuCard(CpuDevice):
    """A CPU device under the name of a card."""

    name = "NVIDIA T4"
    compute_capability = (7, 5)
    driver = "580.0"


class PlansOfTheHost:
    """See `DeviceBackend`.

    Attributes:
        version: of the library; tests change it.
        built: how many plans were built, of all instances.
    """

    name = NAME
    has_plans = True
    version = "1.0"
    built = 0
    refuse: bytes | None = None

    def __init__(self, *, ordinal: int = 0) -> None:
        self.ordinal = ordinal

    def probe(self) -> Capability:
        return Capability(ok=True, reason="it is here", precisions=frozenset({"float32", "float16", "int8"}))

    def probe_build(self, compute_capability: tuple[int, int] | None) -> Capability:
        return Capability(ok=compute_capability == (7, 5), reason=f"it builds for sm_75, not {compute_capability}")

    def identity(self, options: PlanOptions) -> Mapping[str, str]:
        return {"plans of the host": self.version, "compute capability": str(options.compute_capability)}

    def build(self, graph: bytes, options: PlanOptions, progress: Callable[[float], None]) -> Plan:
        if self.refuse is not None and self.refuse in graph:
            raise EngineError("segment", "the graph is refused", "Choose another precision")
        if not options.buckets:
            raise EngineError("segment", "no buckets", "Name one or more")
        progress(0.5)
        type(self).built += 1
        progress(1.0)
        return Plan(content=zlib.compress(graph, 1))

    def load(self, plan: Plan, device: Device) -> DeviceEngine:
        assert isinstance(device, CpuDevice)
        return HostEngine(OnnxRuntimeBackend().load(zlib.decompress(plan.content), threads=None))
