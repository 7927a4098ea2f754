"""The commands of `eecompile`."""

import importlib.metadata
from typing import Annotated

import typer

from eecompile.cli.attach import attach_command
from eecompile.cli.build import build_command
from eecompile.cli.compose import compose_command
from eecompile.cli.engines import engines_command
from eecompile.cli.export import export_command
from eecompile.cli.fold import fold_command
from eecompile.cli.heads import heads_command
from eecompile.cli.inspect import inspect_command
from eecompile.cli.plan import plan_command
from eecompile.cli.refresh import refresh_command
from eecompile.cli.trace import trace_command
from eecompile.cli.tune import tune_command
from eecompile.cli.verify import verify_command
from eerun.cli.errors import run_cli

__all__ = ["app", "main"]

app = typer.Typer(
    help="Make a trained network multi-exit, and compile it into a bundle that `eerun` runs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("attach")(attach_command)
app.command("build")(build_command)
app.command("compose")(compose_command)
app.command("engines")(engines_command)
app.command("export")(export_command)
app.command("fold")(fold_command)
app.command("heads")(heads_command)
app.command("inspect")(inspect_command)
app.command("plan")(plan_command)
app.command("refresh")(refresh_command)
app.command("trace")(trace_command)
app.command("tune")(tune_command)
app.command("verify")(verify_command)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"eecompile {importlib.metadata.version('eecompile')}")
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
