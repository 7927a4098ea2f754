"""Turn a size in a flag into bytes."""

import re

from eengines.errors import UserError

__all__ = ["parse_bytes"]

UNITS = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def parse_bytes(flag: str, text: str) -> int:
    """`4MiB`, `512 KiB` or `65536` as bytes."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    if found is None or found[2] not in UNITS:
        raise UserError(flag, f"got {text!r}, expected a number of bytes, KiB, MiB or GiB", "Give for example 4MiB")
    return int(float(found[1]) * UNITS[found[2]])
