"""What the NVIDIA card says on which models run, where there is one and it can be asked."""

from collections.abc import Iterator
from functools import cache

from prometheus_client import Metric
from prometheus_client.registry import Collector

from eengines.backends import DEVICE_BACKENDS
from eengines.devices.cuda import open_cuda_device
from eengines.devices.nvml import CardMonitor, open_monitor
from eengines.errors import EngineError
from eerun.serve.metrics.families import COUNTER, GAUGE, Family
from eerun.serve.metrics.sheet import Sheet
from eerun.serve.repository import Repository

__all__ = ["CARD_FAMILIES", "CardCollector", "runs_on_card"]

CARD = ("pci_bus_id",)
MJ_PER_J = 1000

CARD_FAMILIES = (
    Family("nv_gpu_power_usage", GAUGE, "Power of the board, in watts.", CARD),
    Family("nv_energy_consumption", COUNTER, "Energy of the board since the driver was loaded, in joules.", CARD),
    Family("ee_gpu_temperature_celsius", GAUGE, "Temperature of the GPU.", CARD),
    Family("ee_gpu_sm_clock_mhz", GAUGE, "Clock of the multiprocessors.", CARD),
    Family("ee_gpu_memory_clock_mhz", GAUGE, "Clock of the memory.", CARD),
)


def runs_on_card(repository: Repository) -> bool:
    """Say whether one of the models runs on a GPU."""
    return any(repository.get(name).model.engine in DEVICE_BACKENDS for name in repository.names())


class CardCollector(Collector):
    """Collects `CARD_FAMILIES`; nothing where the card cannot be asked, and of each only what this card tells.

    Args:
        ordinal: number of the GPU.
    """

    def __init__(self, ordinal: int) -> None:
        self._ordinal = ordinal

    def collect(self) -> Iterator[Metric]:
        """Return what the card says now."""
        sheet = Sheet(CARD_FAMILIES)
        try:
            address, monitor = _card(self._ordinal)
            state, reading = monitor.state(), monitor.reading()
        except EngineError:
            return
        energy_j = None if reading.energy_mj is None else reading.energy_mj / MJ_PER_J
        told = (state.power_w, energy_j, state.temperature_c, state.sm_mhz, state.memory_mhz)
        for family, value in zip(CARD_FAMILIES, told, strict=True):
            if value is not None:
                sheet.add(family.name, value, address)
        yield from sheet.metrics()


@cache
def _card(ordinal: int) -> tuple[str, CardMonitor]:
    """Where the card is plugged in, and what asks it.

    Raises:
        EngineError: no such GPU, or it cannot be asked.
    """
    device = open_cuda_device(ordinal)
    return device.pci_bus_id, open_monitor(device)
