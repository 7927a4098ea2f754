"""Text that fits a terminal."""

import textwrap
from collections.abc import Iterable

__all__ = ["listed"]

WIDTH = 100
"""Columns."""


def listed(title: str, items: Iterable[str]) -> list[str]:
    """Return a title with a list behind it, over as many lines as it takes; nothing is broken inside an item."""
    glued = ", ".join(item.replace(" ", "\N{NO-BREAK SPACE}") for item in items)
    lines = textwrap.wrap(
        f"{title} {glued}",
        WIDTH,
        subsequent_indent=" " * (len(title) + 1),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]
