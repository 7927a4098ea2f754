"""What an NVIDIA card says of itself while it works: clocks, what holds them back, temperature, power, energy.

NVML comes with the driver (`libnvidia-ml.so.1`), its Python form is the package nvidia-ml-py (`pynvml`). Everything is
only read: no clock, power limit or mode of the card is ever changed.
"""

import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from time import perf_counter_ns
from typing import Any

from eengines.device import Device
from eengines.devices.cuda import CudaDevice
from eengines.devices.nvml_reasons import IDLE, reasons_in_words
from eengines.engine import Capability
from eengines.errors import EngineError

__all__ = ["CardMonitor", "CardState", "PowerReading", "open_monitor", "probe_nvml"]

INSTALL = "Run: pip install 'eecompile[cuda]'"
DRIVER = "Install the NVIDIA driver; a container needs its `utility` capability (NVIDIA_DRIVER_CAPABILITIES)"
OTHERWISE = "Check that `nvidia-smi` works"

MW_PER_W = 1e3


@dataclass(frozen=True, kw_only=True)
class CardState:
    """A card at one moment; None: it does not tell.

    Attributes:
        sm_mhz: clock of the multiprocessors.
        memory_mhz: clock of the memory.
        idle: nothing ran, which lowers the clocks.
        slowed_by: what else holds the clocks back, in words; empty: nothing.
        temperature_c: of the GPU, in degrees Celsius.
        power_w: of the whole board; an average over up to a second, by the card's generation.
    """

    sm_mhz: int | None
    memory_mhz: int | None
    idle: bool
    slowed_by: tuple[str, ...]
    temperature_c: int | None
    power_w: float | None


@dataclass(frozen=True, kw_only=True)
class PowerReading:
    """Energy or power at one moment.

    Attributes:
        at_ns: `perf_counter_ns` when the card was asked.
        energy_mj: the board's counter in mJ, since the driver was loaded; None: the card has none.
        power_w: asked only where there is no counter; None otherwise, and where the card does not tell.
    """

    at_ns: int
    energy_mj: int | None
    power_w: float | None


class CardMonitor:
    """Reads one card. Any thread may use it.

    Attributes:
        max_sm_mhz: the highest clock of the multiprocessors; None: the card does not tell.
        max_memory_mhz: the highest clock of the memory; None: as above.
        has_counter: whether the card counts energy, as those since Volta do; otherwise only power is known.

    Args:
        pci_bus_id: of the card, as CUDA writes it, `0000:65:00.0`; MIG instances have the card's.

    Raises:
        EngineError: the package, the driver's library or the card is missing.
    """

    def __init__(self, pci_bus_id: str) -> None:
        self._nvml = nvml = _started()
        weakref.finalize(self, _shut_down, nvml, os.getpid())
        try:
            self._card = nvml.nvmlDeviceGetHandleByPciBusId(pci_bus_id)
        except nvml.NVMLError as error:
            raise EngineError("NVML", f"no card at {pci_bus_id}: {error}", OTHERWISE) from error
        self.max_sm_mhz: int | None = self._ask(nvml.nvmlDeviceGetMaxClockInfo, nvml.NVML_CLOCK_SM)
        self.max_memory_mhz: int | None = self._ask(nvml.nvmlDeviceGetMaxClockInfo, nvml.NVML_CLOCK_MEM)
        self.has_counter = self._ask(nvml.nvmlDeviceGetTotalEnergyConsumption) is not None

    def state(self) -> CardState:
        """Ask for clocks, what holds them back, temperature and power.

        Raises:
            EngineError: the card is lost.
        """
        nvml = self._nvml
        bits = self._reasons()
        return CardState(
            sm_mhz=self._ask(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_SM),
            memory_mhz=self._ask(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_MEM),
            idle=bool(bits & IDLE),
            slowed_by=reasons_in_words(bits),
            temperature_c=self._ask(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU),
            power_w=self._power_w(),
        )

    def reading(self) -> PowerReading:
        """Ask for energy, or where the card has no counter for power.

        Raises:
            EngineError: the card is lost.
        """
        energy_mj = self._ask(self._nvml.nvmlDeviceGetTotalEnergyConsumption) if self.has_counter else None
        power_w = None if self.has_counter else self._power_w()
        return PowerReading(at_ns=perf_counter_ns(), energy_mj=energy_mj, power_w=power_w)

    def _power_w(self) -> float | None:
        milliwatts = self._ask(self._nvml.nvmlDeviceGetPowerUsage)
        return None if milliwatts is None else milliwatts / MW_PER_W

    def _reasons(self) -> int:
        nvml = self._nvml
        bits = self._ask(nvml.nvmlDeviceGetCurrentClocksEventReasons)
        if bits is None:  # before release 535 it had another name
            bits = self._ask(nvml.nvmlDeviceGetCurrentClocksThrottleReasons)
        return bits or 0

    def _ask(self, call: Callable[..., int], *arguments: int) -> int | None:
        """What a call returns; None: this card, driver or container does not tell."""
        nvml = self._nvml
        try:
            return int(call(self._card, *arguments))
        except nvml.NVMLError as error:
            silent = (nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_FUNCTION_NOT_FOUND, nvml.NVML_ERROR_NO_PERMISSION)
            if error.value in silent:
                return None
            raise EngineError("NVML", f"{call.__name__}: {error}", OTHERWISE) from error


def open_monitor(device: Device) -> CardMonitor:
    """Return the monitor of a device.

    Raises:
        EngineError: it is no NVIDIA card, or the package or the driver's library is missing.
    """
    if not isinstance(device, CudaDevice):
        raise EngineError("NVML", f"{device.name} is no NVIDIA card", "Run on a GPU")
    return CardMonitor(device.pci_bus_id)


def probe_nvml() -> Capability:
    """Say whether cards can be asked on this machine."""
    try:
        nvml = _started()
    except EngineError as error:
        return Capability(ok=False, reason=f"{error.problem}: {error.remedy}")
    try:
        cards, driver = nvml.nvmlDeviceGetCount(), nvml.nvmlSystemGetDriverVersion()
    except nvml.NVMLError as error:
        return Capability(ok=False, reason=f"NVML: {error}")
    finally:
        nvml.nvmlShutdown()
    return Capability(ok=cards > 0, reason=f"NVML of driver {driver}, {cards} cards")


def _started() -> Any:
    """The module, with the library open; whoever asked shuts it down once (NVML counts).

    Raises:
        EngineError: the package or the driver's library is missing.
    """
    try:
        nvml = import_module("pynvml")
    except ImportError as error:
        raise EngineError("NVML", "nvidia-ml-py is not installed", INSTALL) from error
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise EngineError("NVML", f"libnvidia-ml.so.1 cannot be used ({error})", DRIVER) from error
    return nvml


def _shut_down(nvml: Any, started_in: int) -> None:
    if os.getpid() == started_in:
        nvml.nvmlShutdown()
