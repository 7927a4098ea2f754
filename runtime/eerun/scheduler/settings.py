"""What an operator chooses of the scheduler."""

from dataclasses import dataclass
from numbers import Integral

from eengines.errors import UserError

__all__ = ["SchedulerSettings"]


@dataclass(frozen=True, kw_only=True)
class SchedulerSettings:
    """Settings of a scheduler. Limits in samples; of a folded network these are images.

    Attributes:
        max_queue_delay_us: how long a sample may wait for others to share its first batch, in microseconds; 0: it runs
            as soon as the engine is free.
        max_hold_us: how long a survivor may wait between segments to be merged with others, in microseconds over all of
            its segments; None: as long as the whole network takes for a full batch; 0: survivors are never merged.
        max_queue: how many samples may wait for their first segment; a request that does not fit is refused.
        calm_step: thresholds while there is no overload: 0 as loaded, n the nth certified fallback, which is slower.
            Under overload the model goes back to faster certified thresholds, at most to those that were loaded.
    """

    max_queue_delay_us: int = 0
    max_hold_us: int | None = None
    max_queue: int = 1024
    calm_step: int = 0

    def __post_init__(self) -> None:
        least: dict[str, int] = {"max_queue_delay_us": 0, "max_hold_us": 0, "max_queue": 1, "calm_step": 0}
        for name, bound in least.items():
            value = getattr(self, name)
            if value is None and name == "max_hold_us":
                continue
            if isinstance(value, bool) or not isinstance(value, Integral):
                problem = f"got {type(value).__name__}, expected a whole number"
                raise UserError(name, problem, f"Give a number of at least {bound}")
            if int(value) < bound:
                raise UserError(name, f"got {value}, expected at least {bound}", "Give a larger number")
