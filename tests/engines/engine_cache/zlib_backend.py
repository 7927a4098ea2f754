"""A backend whose plans are the compressed graph: it really serializes, and the tests decide what it says it is."""

import zlib
from collections.abc import Callable, Mapping

from eengines.device import Device
from eengines.device_engine import DeviceEngine, Plan, PlanOptions
from eengines.engine import Capability
from eengines.errors import EngineError

OPTIONS = PlanOptions(buckets=(1, 8))
USER_KEY = bytes(range(32))
T4 = {"TensorRT": "10.4.0", "compute capability": "7.5", "driver": "550.54"}


class ZlibBackend:
    """`during` is called in the middle of a build."""

    def __init__(
        self,
        identity: Mapping[str, str] = T4,
        *,
        name: str = "zlib",
        has_plans: bool = True,
        notes: tuple[str, ...] = (),
        during: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.has_plans = has_plans
        self.builds = 0
        self._identity = identity
        self._notes = notes
        self._during = during

    def probe(self) -> Capability:
        return Capability(ok=True, reason="zlib is part of Python")

    def probe_build(self, compute_capability: tuple[int, int] | None) -> Capability:  # noqa: ARG002 - the protocol has it
        return self.probe()

    def identity(self, options: PlanOptions) -> Mapping[str, str]:  # noqa: ARG002 - the protocol has it
        return self._identity

    def build(
        self,
        graph: bytes,
        options: PlanOptions,  # noqa: ARG002 - the protocol has it
        progress: Callable[[float], None],
    ) -> Plan:
        self.builds += 1
        progress(0.0)
        self._during()
        progress(1.0)
        return Plan(content=zlib.compress(graph), notes=self._notes)

    def load(self, plan: Plan, device: Device) -> DeviceEngine:  # noqa: ARG002 - the protocol has it
        raise EngineError("zlib", "it runs nothing", "Use a backend that does")
