"""The flag that says which images of a batch share a row of a folded network."""

from typing import Annotated

import typer

from eerun.folding.grouping import Grouping

__all__ = ["FOLDED", "GroupingFlag"]

FOLDED = "A folded network"

GroupingFlag = Annotated[
    Grouping,
    typer.Option(
        help="Which images of a batch share a row. arrival: neighbours. easy: likely-easy ones, so that groups leave "
        "together (`eecompile tune` fits what predicts them).",
        rich_help_panel=FOLDED,
    ),
]
