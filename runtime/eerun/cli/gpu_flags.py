"""Flags of a GPU, the same for every command that runs a bundle; the fields of `DeviceSettings`."""

from typing import Annotated

import typer

__all__ = ["DeviceExitsFlag", "DeviceFlag", "InFlightFlag", "TrustPlansFlag"]

GPU = "On a GPU"

DeviceFlag = Annotated[int, typer.Option(help="Number of the GPU, where the bundle runs on one.", rich_help_panel=GPU)]

InFlightFlag = Annotated[
    int, typer.Option(help="Batches that run at once on a GPU; each takes its own memory.", rich_help_panel=GPU)
]

DeviceExitsFlag = Annotated[
    bool,
    typer.Option(
        "--device-exits",
        help="Let the GPU go from exit to exit without the host (experimental, driver of CUDA 12.8).",
        rich_help_panel=GPU,
    ),
]

TrustPlansFlag = Annotated[
    bool,
    typer.Option(
        "--trust-plans",
        help="Take plans in the bundle that another user or machine built; a plan can run code.",
        rich_help_panel=GPU,
    ),
]
