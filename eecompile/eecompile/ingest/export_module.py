"""A torch module becomes an ONNX graph with a symbolic batch axis."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from eecompile.ingest.quiet import quiet_torch
from eengines.errors import IngestError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.export import ExportedProgram

__all__ = ["export_module", "export_program", "run_example"]


def run_example(module: "nn.Module", arguments: "tuple[Tensor, ...]", *, where: str) -> object:
    """Run `forward` once, so that a module that does not take its input is found before the export.

    Raises:
        IngestError: `forward` fails.
    """
    import torch

    try:
        with torch.no_grad():
            outputs: object = module(*arguments)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        shapes = ", ".join(f"{str(a.dtype).removeprefix('torch.')} {list(a.shape)}" for a in arguments)
        problem = f"forward fails on an input of {shapes}: {_first_line(error)}"
        raise IngestError(where, problem, "Correct the shape, dtype or layout of the input") from error
    return outputs


def export_module(
    module: "nn.Module", arguments: "tuple[Tensor, ...]", *, inputs: Sequence[str], exits: Sequence[str], where: str
) -> ir.Model:
    """Trace a module in evaluation mode.

    Args:
        module: its `forward` takes one tensor for each input.
        arguments: an example, two rows or more.
        inputs: names for its arguments.
        exits: names for its outputs.
        where: the model file, for messages.

    Raises:
        IngestError: the module does not export.
    """
    from torch.export import Dim

    batch = Dim("batch", min=1)
    dynamic_shapes = tuple({0: batch} for _ in arguments)
    return _export(module, arguments, dynamic_shapes, inputs=inputs, exits=exits, where=where)


def export_program(program: "ExportedProgram", *, inputs: Sequence[str], exits: Sequence[str], where: str) -> ir.Model:
    """Turn what `torch.export` has traced into ONNX; arguments and errors as for `export_module`."""
    return _export(program, (), None, inputs=inputs, exits=exits, where=where)


def _export(
    source: "nn.Module | ExportedProgram",
    arguments: "tuple[Tensor, ...]",
    dynamic_shapes: tuple[Any, ...] | None,
    *,
    inputs: Sequence[str],
    exits: Sequence[str],
    where: str,
) -> ir.Model:
    import torch

    try:
        with quiet_torch(), torch.no_grad():
            program = torch.onnx.export(
                source,
                arguments,
                None,
                dynamo=True,
                dynamic_shapes=dynamic_shapes,
                input_names=list(inputs),
                output_names=list(exits),
                external_data=False,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        problem = f"does not export to ONNX: {_first_line(error.__cause__ or error)}"
        remedy = "Make forward traceable by torch.export with a dynamic batch (no branches on values), or give an .onnx"
        raise IngestError(where, problem, remedy) from error
    if program is None:
        raise IngestError(where, "does not export to ONNX: torch gave no program", "Give an .onnx")
    return program.model


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
