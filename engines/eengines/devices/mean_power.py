"""The mean power of a card over some time, from readings of its energy counter or of its power."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from eengines.devices.nvml import PowerReading

__all__ = ["MeanPower", "mean_power"]

NS_PER_S = 1e9
MJ_PER_J = 1e3


@dataclass(frozen=True, kw_only=True)
class MeanPower:
    """Mean power.

    Attributes:
        watts: the mean.
        updates: how many times the counter moved on, or the power changed, in that time; few: the mean is rough.
    """

    watts: float
    updates: int


def mean_power(readings: Sequence[PowerReading]) -> MeanPower | None:
    """Return the mean power between readings in the order of time.

    A counter stands still between its updates. So energy and time are taken from its first update to its last: what it
    had not yet counted before the first reading is left out. Power is integrated by the trapezoid rule.

    Returns:
        None: the counter moved on less than twice, or the card tells neither energy nor power.
    """
    counted = [(each.at_ns, each.energy_mj) for each in readings if each.energy_mj is not None]
    if counted:
        return _of_counter(counted)
    powers = [(each.at_ns, each.power_w) for each in readings if each.power_w is not None]
    return _of_power(powers) if len(powers) > 1 else None


def _of_counter(counted: Sequence[tuple[int, int]]) -> MeanPower | None:
    pairs = pairwise(counted)
    moved = [after for before, after in pairs if after[1] != before[1]]
    if len(moved) < 2:
        return None
    (first_ns, first_mj), (last_ns, last_mj) = moved[0], moved[-1]
    seconds = (last_ns - first_ns) / NS_PER_S
    return MeanPower(watts=(last_mj - first_mj) / MJ_PER_J / seconds, updates=len(moved))


def _of_power(powers: Sequence[tuple[int, float]]) -> MeanPower | None:
    pairs = list(pairwise(powers))
    joules = sum((after[0] - before[0]) / NS_PER_S * (before[1] + after[1]) / 2 for before, after in pairs)
    seconds = (powers[-1][0] - powers[0][0]) / NS_PER_S
    changes = sum(before[1] != after[1] for before, after in pairs)
    return MeanPower(watts=joules / seconds, updates=changes) if seconds else None
