"""Names that look like one that was not found."""

from collections.abc import Sequence
from difflib import get_close_matches

__all__ = ["nearest_names"]

MOST = 3


def nearest_names(name: str, known: Sequence[str]) -> str:
    """Return up to three of the known names, those most like `name` first; the first ones where none is like it."""
    close = get_close_matches(name, known, n=MOST, cutoff=0.4)
    return ", ".join(close or known[:MOST])
