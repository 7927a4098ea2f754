"""Ways to run a bundle on a device: an engine with plans on a GPU, or an engine of the host on a CPU device."""

import logging
from abc import abstractmethod
from dataclasses import dataclass

from eengines.backends import load_backend
from eengines.device import Device
from eengines.device_engine import DeviceBackend, DeviceEngine, PlanOptions
from eengines.devices.host_engine import HostEngine
from eerun.bundle import DeviceEntry
from eerun.configuration import Configuration
from eerun.device_executor import DeviceChain, DeviceExecutor, DeviceWhole
from eerun.device_settings import DeviceSettings
from eerun.executor import Chain, Executor, WholeExecutor
from eerun.plans import PlanSource, bundle_cache

__all__ = ["DeviceConfiguration", "HostOnDevice", "OnDevice", "plan_options"]

_log = logging.getLogger("eerun")


@dataclass(frozen=True, kw_only=True)
class OnDevice(Configuration):
    """One that runs on a device.

    Attributes:
        device: where.
        settings: what the user chose.
    """

    device: Device
    settings: DeviceSettings

    @abstractmethod
    def engines(self, chain: Chain, label: str) -> list[DeviceEngine]:
        """Load the engines of a chain; `label` is what messages call it, with the segment's number in it."""

    def load(self, chain: Chain, label: str) -> DeviceChain:
        """Load a chain of this configuration, without the executor."""
        with self.device.use():
            return DeviceChain(chain, self.engines(chain, label), self.device)

    def open_chain(self, *, threads: int | None = None) -> Executor:  # noqa: ARG002 - a device has its own
        """See `Configuration.open_chain`."""
        return DeviceExecutor(
            self.load(self.chain(), f"{self.words}, segment {{}}"),
            self.costs(),
            in_flight=self.settings.in_flight,
            device_exits=self.settings.device_exits,
        )

    def open_whole(self, *, threads: int | None = None) -> WholeExecutor:  # noqa: ARG002 - as above
        """See `Configuration.open_whole`."""
        return DeviceWhole(
            self.load(self.whole(), f"{self.words}, whole network"),
            self.costs().of_whole(),
            in_flight=self.settings.in_flight,
        )


@dataclass(frozen=True, kw_only=True)
class DeviceConfiguration(OnDevice):
    """One that a build measured on this kind of card; its plans are in the bundle, or are built when it is opened.

    Attributes:
        backend: builds and loads plans.
    """

    backend: DeviceBackend

    @property
    def engine(self) -> str:
        """Name of the backend."""
        return self.backend.name

    def engines(self, chain: Chain, label: str) -> list[DeviceEngine]:
        """See `OnDevice.engines`."""
        assert self.entry.device is not None  # noqa: S101 - a configuration of a device has one
        options = plan_options(self.entry.device, self.costs().buckets)
        source = PlanSource(
            backend=self.backend,
            options=options,
            cache=bundle_cache(self.bundle, trust=self.settings.trust_plans),
            say=_log.warning,
        )
        plans = [source.fetch(each.graph, label=label.format(index))[0] for index, each in enumerate(chain.segments)]
        return [self.backend.load(plan, self.device) for plan in plans]


@dataclass(frozen=True, kw_only=True)
class HostOnDevice(OnDevice):
    """An engine of the host, run by the device executor on a CPU device."""

    backend: str

    @property
    def engine(self) -> str:
        """Name of the backend."""
        return self.backend

    def engines(self, chain: Chain, label: str) -> list[DeviceEngine]:  # noqa: ARG002 - nothing is built
        """See `OnDevice.engines`."""
        backend = load_backend(self.backend)
        return [HostEngine(backend.load(each.graph, threads=None)) for each in chain.segments]


def plan_options(device: DeviceEntry, buckets: tuple[int, ...]) -> PlanOptions:
    """How the plans of a configuration are built."""
    major, _, minor = device.compute_capability.partition(".")
    return PlanOptions(
        buckets=buckets,
        compute_capability=(int(major), int(minor)),
        workspace_bytes=device.workspace_bytes,
        optimisation_level=device.optimisation_level,
    )
