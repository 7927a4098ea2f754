"""Flags of `eerun bench` for the load test of a server."""

from typing import Annotated

import typer

from eengines.errors import UserError

__all__ = [
    "BlocksFlag",
    "CheckFlag",
    "ConnectionsFlag",
    "MinQueriesFlag",
    "PercentileFlag",
    "QpsFlag",
    "ServeFlagsFlag",
    "SloFlag",
    "UrlFlag",
    "parse_qps",
]

LOAD, AUTO = "Load test of a server (--scenario server)", "auto"

QpsFlag = Annotated[
    str,
    typer.Option(
        metavar="QPS",
        help="Queries a second, on average; they arrive as a Poisson process. auto: search the most that is VALID.",
        rich_help_panel=LOAD,
    ),
]
SloFlag = Annotated[float, typer.Option(metavar="MS", help="Latency that is promised, in ms.", rich_help_panel=LOAD)]
PercentileFlag = Annotated[
    float, typer.Option(metavar="PERCENT", help="Percentage of the queries that keep it.", rich_help_panel=LOAD)
]
MinQueriesFlag = Annotated[
    int, typer.Option(help="Least queries of a VALID run; it goes on until it has them.", rich_help_panel=LOAD)
]
BlocksFlag = Annotated[
    int,
    typer.Option(help="Parts of a run: chain and whole network take turns block by block.", rich_help_panel=LOAD),
]
ConnectionsFlag = Annotated[int, typer.Option(help="Most connections at once.", rich_help_panel=LOAD)]
CheckFlag = Annotated[
    bool,
    typer.Option("--check", help="Compare every answer with what Model.infer says.", rich_help_panel=LOAD),
]
ServeFlagsFlag = Annotated[
    str,
    typer.Option(
        metavar="FLAGS",
        help="Further flags of `eerun serve` for both servers, in quotes, such as '--max-hold-us 0'. Not those that "
        "this test sets itself, nor with --check those that change answers.",
        rich_help_panel=LOAD,
    ),
]
UrlFlag = Annotated[
    str | None,
    typer.Option(
        metavar="http://HOST:PORT",
        help="Drive a server that runs, and only that: any one with the Open Inference Protocol v2 and Triton's binary "
        "tensors (eerun serve, Triton). --model names its model, --data gives the samples.",
        rich_help_panel=LOAD,
    ),
]


def parse_qps(text: str) -> float | None:
    """Return queries a second; None for `auto`.

    Raises:
        UserError: it is neither.
    """
    if text == AUTO:
        return None
    try:
        return float(text)
    except ValueError:
        raise UserError("--qps", f"got {text!r}, expected a number or {AUTO}", "Give such as --qps 200") from None
