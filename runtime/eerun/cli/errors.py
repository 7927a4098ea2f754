"""Run a command-line program: errors of the project become one red line and an exit code."""

import typer

from eengines.errors import EEError

__all__ = ["run_cli"]

INTERRUPTED = 130


def run_cli(app: typer.Typer) -> None:
    """Run a program and leave the process with its exit code.

    An `EEError` prints `error: …` on stderr, one line without a traceback, and gives its own exit code. Ctrl-C gives
    130. Any other exception is a defect of the program and keeps its traceback.
    """
    app.pretty_exceptions_enable = False
    try:
        app()
    except EEError as error:
        _show(error)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


def _show(error: EEError) -> None:
    """Print an error in one line, red where stderr is a terminal."""
    from rich.console import Console
    from rich.text import Text

    line = " ".join(f"error: {error}".split())
    Console(stderr=True).print(Text(line, style="red"), soft_wrap=True)
