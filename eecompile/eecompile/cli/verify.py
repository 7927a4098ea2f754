"""`eecompile verify`."""

from pathlib import Path
from typing import Annotated

import typer

from eecompile.cli.extra import require_compile_extra

__all__ = ["verify_command"]


def verify_command(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    data: Annotated[
        str | None, typer.Option(help="Data to compare on; default: the .npz beside the bundle, else random samples.")
    ] = None,
    engine: Annotated[str, typer.Option(help="auto, onnxruntime or reference.")] = "auto",
    samples: Annotated[int, typer.Option(help="How many samples to compare.", min=1)] = 256,
) -> None:
    """Check every file's digest, and that the chain with exits off answers like the whole network."""
    require_compile_extra()
    from eecompile.build.verify import verify

    result = verify(bundle, data=data, engine=engine, samples=samples)
    typer.echo(f"{result.files} files: sizes and digests as in the manifest")
    typer.echo(
        f"chain against whole network on {result.samples} {result.kind} samples ({result.engine}): "
        f"logits within {result.error:.1e} of their spread, same answer for {result.agreement:.2%}"
    )
    typer.echo(f"PASSED | {bundle}")
