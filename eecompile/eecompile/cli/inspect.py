"""`eecompile inspect`."""

from pathlib import Path
from typing import Annotated

import typer

from eecompile.cli.extra import require_compile_extra

__all__ = ["inspect_command"]


def inspect_command(
    path: Annotated[Path, typer.Argument(help="Folder of a bundle, a checkpoint (.pt) or an .onnx file.")],
) -> None:
    """Print what is inside a bundle or a model; nothing of it is run."""
    require_compile_extra()
    from eecompile.build.inspect import inspect_text

    typer.echo(inspect_text(path))
