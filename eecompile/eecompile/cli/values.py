"""Turn the text of flags into values."""

import ast
import re
from collections.abc import Callable
from math import isfinite, nan
from typing import TypeVar

from eengines.errors import UserError
from eerun.cli.fraction import parse_fraction

__all__ = ["parse_arguments", "parse_fraction", "parse_list", "parse_pairs", "parse_threshold"]

T = TypeVar("T")


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
        what, example = ("whole numbers", "16,32") if kind is int else ("values", "0.9,0.8")
        raise UserError(
            flag, f"got {text!r}, expected {what} separated by commas", f"Give for example {example}"
        ) from None


def parse_pairs(flag: str, text: str | None) -> dict[str, str]:
    """`a=b,c=d` as a dictionary of texts; commas inside brackets belong to the value. None: nothing."""
    pairs: dict[str, str] = {}
    for part in re.split(r",(?![^\[(]*[\])])", text) if text is not None else ():
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not name or not sign or not value or name in pairs:
            raise UserError(
                flag, f"got {part.strip()!r}, expected name=value, each name once", "Give for example a=1,b=2"
            )
        pairs[name] = value
    return pairs


def parse_arguments(flag: str, text: str | None) -> dict[str, object]:
    """`classes=10,channels=[16,32],stem=cifar` as keyword arguments: Python's constants, all else as text."""
    return {name: _constant(value) for name, value in parse_pairs(flag, text).items()}


def _constant(text: str) -> object:
    try:
        value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return list(value) if isinstance(value, tuple) else value
