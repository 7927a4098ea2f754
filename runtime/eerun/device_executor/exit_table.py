"""The argument of the exit kernel: addresses and sizes, in the layout of `leave_and_compact.cu`."""

import numpy as np

__all__ = ["EXIT_TABLE", "MOST_FOLD", "MOVED"]

MOST_FOLD = 32
"""Most images a row: each has a bit of a word."""

ADDRESSES = (
    "header",
    "scores",
    "logits",
    "before",
    "after",
    "outputs",
    "exit_index",
    "confidence",
    "signal",
    "next_rows",
    "next_bucket",
    "moved",
    "needed",
)
NUMBERS = ("exit", "is_last", "classes", "max_rows", "moved_count", "moved_with_answer")

EXIT_TABLE = np.dtype([*((name, "<u8") for name in ADDRESSES), *((name, "<i4") for name in NUMBERS)])
"""`struct Table`."""

MOVED = np.dtype([("rows", "<u8"), ("row_bytes", "<u8")])
"""`struct Moved`."""
