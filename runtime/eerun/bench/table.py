"""Text in aligned columns, readable in a terminal, a log and a mail."""

from collections.abc import Sequence

__all__ = ["aligned", "number", "share"]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line a row: the first column to the left, the others to the right, two spaces between them."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in rows
    ]


def number(value: float | None, digits: int) -> str:
    """A number with some digits behind the point; a dash for None."""
    return "-" if value is None else f"{value:.{digits}f}"


def share(value: float | None, digits: int) -> str:
    """A share as a percentage; a dash for None."""
    return "-" if value is None else f"{value * 100:.{digits}f} %"
