"""`eerun bench --scenario server`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from eengines.errors import EngineError, UserError
from eerun.cli.output_file import replace_file
from eerun.cli.progress import ProgressBar

if TYPE_CHECKING:
    from collections.abc import Collection

    from eerun.bench.server.settings import LoadSettings

__all__ = ["check_flags", "run_and_report", "split_flags"]

OF_SERVER = ("qps", "slo_ms", "percentile", "min_queries", "blocks", "connections", "check", "serve_flags", "url")
OF_OTHERS = (
    "device",
    "in_flight",
    "device_exits",
    "trust_plans",
    "against",
    "factory",
    "grouping",
    "unfolded",
    "no_unfolded",
    "csv",
)
THROUGH_SERVE = ("device", "in_flight", "device_exits", "trust_plans", "grouping")


def check_flags(given: "Collection[str]", *, server: bool) -> None:
    """Refuse flags that the scenario does not use.

    Args:
        given: names of the parameters on the command line.
        server: whether the scenario is `server`.

    Raises:
        UserError: there is one.
    """
    unused = [name for name in (OF_OTHERS if server else OF_SERVER) if name in given]
    if not unused:
        return
    flag = f"--{unused[0].replace('_', '-')}"
    if not server:
        raise UserError(flag, "got it without --scenario server, which alone uses it", "Add --scenario server")
    remedy = f"Give it in --serve-flags '{flag} …'" if unused[0] in THROUGH_SERVE else "Leave it out"
    raise UserError(flag, "got it with --scenario server, which does not use it", remedy)


def split_flags(text: str) -> tuple[str, ...]:
    """Return the words of `--serve-flags`.

    Raises:
        UserError: a quote is not closed.
    """
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UserError("--serve-flags", f"got {text!r}: {error}", "Close the quotes") from error


def run_and_report(settings: "LoadSettings", json: Path | None) -> None:
    """Run the load test, print what it found, and write it to a file where one is wanted.

    Raises:
        EngineError: the extra `serve` is missing.
    """
    try:
        from eerun.bench.server.load_json import load_json
        from eerun.bench.server.load_text import load_text
        from eerun.bench.server.run import run_load_test
    except ModuleNotFoundError as error:
        problem = f"needs {error.name}, which is not installed"
        raise EngineError("--scenario server", problem, "pip install 'eecompile[serve]'") from error
    with ProgressBar("load") as bar:
        result = run_load_test(settings, bar.show)
    typer.echo(load_text(result))
    if json is not None:
        with replace_file(json, flag="--json") as file:
            file.write(load_json(result))
