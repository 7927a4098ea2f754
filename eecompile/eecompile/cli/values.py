"""Turn the text of flags into values."""

from collections.abc import Callable
from math import isfinite, nan
from typing import TypeVar

from eengines.errors import UserError

__all__ = ["parse_fraction", "parse_list", "parse_threshold"]

T = TypeVar("T")


def parse_fraction(flag: str, text: str) -> float:
    """`1%` or `0.01` as 0.01."""
    number = text.strip()
    try:
        return float(number[:-1]) / 100 if number.endswith("%") else float(number)
    except ValueError:
        raise UserError(flag, f"got {text!r}, expected a share", "Give for example 1% or 0.01") from None


def parse_threshold(text: str) -> float:
    """A number, or `never` as NaN."""
    if text == "never":
        return nan
    value = float(text)
    if not isfinite(value):
        raise ValueError(text)
    return value


def parse_list(flag: str, text: str | None, kind: Callable[[str], T]) -> tuple[T, ...] | None:
    """`a,b,c` as a tuple; None stays None."""
    if text is None:
        return None
    try:
        return tuple(kind(part.strip()) for part in text.split(","))
    except ValueError:
        raise UserError(
            flag, f"got {text!r}, expected values separated by commas", "Give for example 0.9,0.8"
        ) from None
