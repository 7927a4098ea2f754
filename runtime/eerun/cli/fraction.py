"""Turn the text of a flag into a share."""

from eengines.errors import UserError

__all__ = ["parse_fraction"]


def parse_fraction(flag: str, text: str) -> float:
    """`1%` or `0.01` as 0.01."""
    number = text.strip()
    try:
        return float(number[:-1]) / 100 if number.endswith("%") else float(number)
    except ValueError:
        raise UserError(flag, f"got {text!r}, expected a share", "Give for example 1% or 0.01") from None
