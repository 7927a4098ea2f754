"""The goals of the device executor on a card, and whether a configuration meets them."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.gpu_race import EXITS_OFF, WHOLE, RaceResult

__all__ = ["Goal", "goals_of"]

GOAL_BATCH = 32
HOST_US, DEVICE_US, OVERHEAD = 25.0, 8.0, 1.05


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One goal.

    Attributes:
        name: what must hold.
        most: the largest value that meets it.
        value: as measured at batch 32; None: see `reason`.
        reason: why there is no value.
    """

    name: str
    most: float
    value: float | None
    reason: str | None

    @property
    def words(self) -> str:
        """The goal, and met, missed or not measured."""
        if self.value is None:
            return f"{self.name} <= {self.most:g}: not measured, {self.reason}"
        return f"{self.name} <= {self.most:g}: {'met' if self.value <= self.most else 'missed'} with {self.value:.3g}"


def goals_of(results: Mapping[int, RaceResult]) -> tuple[Goal, ...]:
    """Return the goals with values at batch 32.

    Args:
        results: by batch size.
    """
    names = ("boundary, host decides, us", "boundary, device decides, us", "chain with exits off / whole network")
    if GOAL_BATCH not in results:
        reason = f"batch {GOAL_BATCH} was not run"
        return tuple(
            Goal(name=name, most=most, value=None, reason=reason)
            for name, most in zip(names, (HOST_US, DEVICE_US, OVERHEAD), strict=True)
        )
    result = results[GOAL_BATCH]
    with_exits = [step.boundary_us for step in result.profile.steps if step.boundary_us is not None]
    host = with_exits or [step.boundary_us for step in result.exits_off.steps if step.boundary_us is not None]
    overhead = result.ratios[f"{EXITS_OFF} / {WHOLE}"].median.value
    lone = None if host else "there is one exit"
    return (
        Goal(name=names[0], most=HOST_US, value=max(host, default=None), reason=lone),
        Goal(name=names[1], most=DEVICE_US, value=result.device_boundary_us, reason=result.no_device_exits or lone),
        Goal(name=names[2], most=OVERHEAD, value=overhead, reason=None),
    )
