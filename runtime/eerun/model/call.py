"""What a caller may ask for beside the samples: checked, and turned into terms."""

import operator
from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple

from eengines.errors import UserError
from eerun.scheduler import Terms

__all__ = ["Options", "deadline_after", "exit_range", "make_terms"]

LONGEST_MS = 24 * 60 * 60 * 1000
"""The longest deadline, a day: who means none leaves it out."""
SHOWN = 40
"""Characters of a value that a message shows."""


class Options(NamedTuple):
    """What `Model.submit` takes beside the samples, as the caller gave it."""

    exits: bool
    min_exit: Any
    max_exit: Any
    deadline_ms: Any
    on_exit: Any


def exit_range(min_exit: Any, max_exit: Any, names: Sequence[str]) -> tuple[int, int]:
    """Return the first and the last exit at which samples may leave.

    Args:
        min_exit: nobody leaves before this exit.
        max_exit: everybody leaves there; None: nobody is forced.
        names: of the exits.

    Raises:
        UserError: no such exit, or the first one is behind the last one.
    """
    lowest = _exit("min_exit", min_exit, names)
    highest = len(names) - 1 if max_exit is None else _exit("max_exit", max_exit, names)
    if lowest > highest:
        problem = f"got {lowest} ({names[lowest]}), behind max_exit {highest} ({names[highest]})"
        raise UserError("min_exit", problem, "Give a min_exit that is not behind max_exit")
    return lowest, highest


def make_terms(thresholds: Sequence[float | None], exits: bool, lowest: int, highest: int) -> Terms:
    """Return how samples may leave: at exits from `lowest` on, or only at `highest` if `exits` is False."""
    used = (value if exits and index >= lowest else None for index, value in enumerate(thresholds))
    return Terms(thresholds=tuple(used), max_exit=highest)


def deadline_after(accepted_ns: int, deadline_ms: Any) -> int | None:
    """Return the deadline as nanoseconds of the clock that `accepted_ns` is of; None: there is none.

    Raises:
        UserError: it is not a number above 0 and of a day at most.
    """
    if deadline_ms is None:
        return None
    if isinstance(deadline_ms, bool) or not isinstance(deadline_ms, Real):
        raise UserError("deadline_ms", f"got {type(deadline_ms).__name__}, expected a number", "Give milliseconds")
    try:
        value_ms = float(deadline_ms)
    except OverflowError:
        value_ms = float("inf")
    if not 0 < value_ms <= LONGEST_MS:
        problem = f"got {_shown(deadline_ms)}, expected above 0 and at most {LONGEST_MS}, which is a day"
        raise UserError("deadline_ms", problem, "Give milliseconds from now")
    return accepted_ns + int(value_ms * 1e6)


def _exit(name: str, value: Any, names: Sequence[str]) -> int:
    """The number of an exit."""
    try:
        number = operator.index(value)
    except TypeError as error:
        problem = f"got {type(value).__name__}, expected the number of an exit: {_known(names)}"
        raise UserError(name, problem, "Choose one of these") from error
    if isinstance(value, bool) or not 0 <= number < len(names):
        raise UserError(name, f"got {_shown(value)}, the exits are {_known(names)}", "Choose one of these")
    return number


def _known(names: Sequence[str]) -> str:
    """The exits as a message shows them."""
    return ", ".join(f"{index} ({each})" for index, each in enumerate(names))


def _shown(value: Any) -> str:
    """A number as a message shows it; Python refuses to write down the largest ones."""
    if isinstance(value, int) and value.bit_length() > 4 * SHOWN:
        return f"an integer of {value.bit_length()} bits"
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
