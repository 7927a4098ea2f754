"""`eerun top`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from eengines.errors import UserError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from eerun.cli.status_client import StatusClient

__all__ = ["top_command"]

LEAST_INTERVAL_S = 0.1


def top_command(
    url: Annotated[str, typer.Argument(help="Address of the server.")] = "http://127.0.0.1:8000",
    interval_s: Annotated[
        float, typer.Option("--interval-s", metavar="SECONDS", help="How often to ask, and the time of the rates.")
    ] = 1.0,
    once: Annotated[
        bool, typer.Option("--once", help="Print the figures since each model was loaded, and end.")
    ] = False,
) -> None:
    """Show what a server is doing: requests, latency, exits, batches, failures. Ctrl-C ends it."""
    from rich.console import Console

    from eerun.cli.status_client import StatusClient
    from eerun.cli.top_table import top_table

    if interval_s < LEAST_INTERVAL_S:
        raise UserError("--interval-s", f"got {interval_s}, expected at least {LEAST_INTERVAL_S}", "Ask less often")
    client = StatusClient(url)
    status = client.ask()
    console = Console()
    if once:
        console.print(top_table(status, None, url=client.url))
        return
    try:
        _watch(client, status, console, interval_s=interval_s)
    except KeyboardInterrupt:
        return


def _watch(client: "StatusClient", status: dict[str, Any], console: Any, *, interval_s: float) -> None:
    """Ask again and again; where nothing answers, say so and go on asking. Into a file each look is printed below."""
    from contextlib import nullcontext
    from functools import partial
    from time import sleep

    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from eerun.cli.top_table import top_table

    shown: RenderableType = top_table(status, None, url=client.url)
    with (
        Live(shown, console=console, auto_refresh=False, screen=True) if console.is_terminal else nullcontext() as live
    ):
        show = console.print if live is None else partial(live.update, refresh=True)
        show(shown)
        while True:
            sleep(interval_s)
            try:
                before, status = status, client.ask()
            except UserError as error:
                show(Group(Text(str(error), style="bold red"), shown))
                continue
            shown = top_table(status, before, url=client.url)
            show(shown)
