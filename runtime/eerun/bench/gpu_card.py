"""The card of a run: watched while contestants take turns, where NVML lets us."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median

from eengines.device import Device
from eengines.devices.nvml import CardMonitor, CardState, open_monitor
from eengines.devices.watch import Watch
from eengines.errors import EngineError
from eerun.bench.gpu_result import CardSummary, Clock, Spread

__all__ = ["BenchCard", "spread"]

WATCH_S = 0.05
"""Between two questions during the timed run: rare enough to leave the run alone."""


class BenchCard:
    """A device and, where it has one, its monitor.

    Attributes:
        device: where the chain runs.
        monitor: asks the card; None: nothing can be asked.
        no_card: why not; None: it can.
        states: what the card said while contestants took turns.

    Args:
        device: where the chain runs.
        monitor: in place of the device's own.
    """

    def __init__(self, device: Device, monitor: CardMonitor | None = None) -> None:
        self.device = device
        self.states: Sequence[CardState] = ()
        self.no_card: str | None = None
        self.monitor = monitor
        if monitor is None:
            try:
                self.monitor = open_monitor(device)
            except EngineError as error:
                self.no_card = error.problem

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Ask the card again and again, from another thread."""
        if self.monitor is None:
            yield
            return
        with Watch(self.monitor.state, interval_s=WATCH_S) as watch:
            yield
        self.states = watch.answers

    def summary(self) -> CardSummary | None:
        """What the card said; moments when nothing ran are left out where there are others."""
        if self.monitor is None or not self.states:
            return None
        busy = [state for state in self.states if not state.idle] or self.states
        return CardSummary(
            readings=len(self.states),
            sm_mhz=_clock([state.sm_mhz for state in busy], self.monitor.max_sm_mhz),
            memory_mhz=_clock([state.memory_mhz for state in busy], self.monitor.max_memory_mhz),
            slowed_by=tuple(dict.fromkeys(reason for state in busy for reason in state.slowed_by)),
            temperature_c=spread([state.temperature_c for state in busy]),
            power_w=spread([state.power_w for state in busy]),
        )


def spread(values: Sequence[float | None]) -> Spread | None:
    """Median and extremes of those that are known; None: none is."""
    known = [float(value) for value in values if value is not None]
    return Spread(median=median(known), least=min(known), most=max(known)) if known else None


def _clock(values: Sequence[int | None], highest: int | None) -> Clock | None:
    seen = spread(values)
    return None if seen is None else Clock(seen=seen, highest=highest)
