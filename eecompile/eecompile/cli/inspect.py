"""`eecompile inspect`."""

from pathlib import Path
from typing import Annotated

import typer

from eecompile.cli.extra import require_compile_extra

__all__ = ["inspect_command"]


def inspect_command(
    path: Annotated[Path, typer.Argument(help="Folder of a bundle, a checkpoint (.pt) or an .onnx file.")],
    nodes: Annotated[
        bool, typer.Option("--nodes", help="List all nodes, by the names that --keep-float takes.")
    ] = False,
    ranges: Annotated[bool, typer.Option("--ranges", help="List all INT8 ranges, not only the extreme ones.")] = False,
) -> None:
    """Print what is inside a bundle or a model; nothing of it is run."""
    require_compile_extra()
    from eecompile.inspect import inspect_text

    typer.echo(inspect_text(path, nodes=nodes, ranges=ranges))
