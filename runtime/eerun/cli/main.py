"""`eerun bench | run | serve | top`."""

import importlib.metadata
from typing import Annotated

import typer

from eerun.cli.bench import bench_command
from eerun.cli.errors import run_cli
from eerun.cli.run import run_command
from eerun.cli.serve import serve_command
from eerun.cli.top import top_command

__all__ = ["app", "main"]

app = typer.Typer(
    help="Run bundles of multi-exit networks, and measure whether their exits pay.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("bench")(bench_command)
app.command("run")(run_command)
app.command("serve")(serve_command)
app.command("top")(top_command)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"eerun {importlib.metadata.version('eecompile')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options of all commands."""


def main() -> None:
    """Run the command line."""
    run_cli(app)
