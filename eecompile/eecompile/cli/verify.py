"""`eecompile verify`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eecompile.cli.extra import require_compile_extra
from eengines.backends import BACKENDS
from eengines.targets import PRECISIONS

if TYPE_CHECKING:
    from eecompile.verify import Verification

__all__ = ["verify_command"]


def verify_command(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    data: Annotated[
        str | None, typer.Option(help="Data to compare on; default: the .npz beside the bundle, else random samples.")
    ] = None,
    engine: Annotated[str, typer.Option(help=f"auto: all that can run here; or only {', '.join(BACKENDS)}.")] = "auto",
    precision: Annotated[str, typer.Option(help=f"auto: all; or only {', '.join(PRECISIONS)}.")] = "auto",
    samples: Annotated[int, typer.Option(help="How many samples to compare.", min=1)] = 256,
) -> None:
    """Check every file, and that every configuration answers like its whole network and like float32."""
    require_compile_extra()
    from eecompile.verify import verify

    result = verify(bundle, data=data, engine=engine, precision=precision, samples=samples)
    typer.echo(f"{result.files} files: sizes and digests as in the manifest")
    typer.echo("\n".join([*_plans(result), *_comparison(result)]))
    for reason in result.skipped:
        typer.echo(f"skipped: {reason}")
    typer.echo(f"PASSED | {bundle}")


def _plans(result: "Verification") -> list[str]:
    """What there is to say of plans that are kept for GPUs; they belong to no configuration's files."""
    plans, lines = result.plans, []
    if plans.whole or plans.damaged:
        lines.append(f"kept plans: {plans.whole} whole, {plans.damaged} damaged, which are built again when needed")
    if plans.problem:
        lines.append(f"kept plans cannot be read: {plans.problem}")
    return lines


def _comparison(result: "Verification") -> list[str]:
    """One line for each configuration, under what it was compared with."""
    from eerun.bench.table import aligned, share

    rows = [["nobody leaves", "own whole", "exits", "at most", "same answer", "at least"]]
    rows += [
        [
            check.name,
            f"{check.whole_error:.1e}",
            f"{max(check.exit_errors):.1e}",
            f"{check.allowed_error:.1e}",
            share(check.agreement, 2),
            share(check.least_agreement, 2),
        ]
        for check in result.checks
    ]
    of = "" if result.unit == "sample" else f"; same answer: share of {result.unit}s"
    return [
        f"Compared on {result.samples} {result.kind} samples, exits and answers with {result.reference}{of}:",
        *aligned(rows),
        "own whole, exits: difference of the logits; float32: the largest, in units of their spread; others: the root",
        "mean square, in units of their standard deviation. Graphs for other devices run in ONNX Runtime.",
    ]
