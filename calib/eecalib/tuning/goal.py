"""What the user asks a policy for."""

from dataclasses import dataclass

from eengines.errors import UserError

__all__ = ["Goal"]

STEPS = (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Drops that are tried, in units of the allowed one: what fitting costs decides which of them is searched for."""

LEAST_UNIT = 0.0025
"""Of these steps, where no drop is allowed."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """Either the least cost for a drop, or the best answers for a budget.

    Attributes:
        max_drop: allowed relative drop; None: a budget is given.
        budget: what a batch may cost on average, in the unit of the costs; None: a drop is given.
    """

    max_drop: float | None
    budget: float | None

    def __post_init__(self) -> None:
        if (self.max_drop is None) == (self.budget is None):
            raise UserError("goal", "got a drop and a budget, or neither, expected one of them", "Give one")

    @property
    def drops(self) -> tuple[float, ...]:
        """Drops to try, ascending."""
        unit = max(LEAST_UNIT, 0.01 if self.max_drop is None else self.max_drop)
        return tuple(step * unit for step in STEPS)
