"""A torch module becomes an ONNX graph with a symbolic batch axis."""

import inspect
from collections.abc import Mapping, Sequence
from inspect import Parameter
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from eecompile.ingest.quiet import quiet_torch
from eecompile.input_info import NO_SEQUENCES, Sequenced
from eengines.errors import IngestError
from eerun.bundle import LENGTH

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
    module: "nn.Module",
    arguments: "tuple[Tensor, ...]",
    *,
    inputs: Sequence[str],
    exits: Sequence[str],
    where: str,
    sequences: Mapping[str, Sequenced] = NO_SEQUENCES,
) -> ir.Model:
    """Trace a module in evaluation mode.

    Args:
        module: its `forward` takes one tensor for each input, by position or as `*inputs`.
        arguments: an example, two rows or more.
        inputs: names for its arguments.
        exits: names for its outputs.
        where: the model file, for messages.
        sequences: inputs with a sequence axis, by name.

    Raises:
        IngestError: the module does not export.
    """
    from torch.export import Dim

    batch = Dim("batch", min=1)
    dynamic_shapes: tuple[Any, ...] = tuple({0: batch} for _ in inputs)
    if sequences:
        length = Dim(LENGTH, min=1, max=min(found.greatest for found in sequences.values()))
        dynamic_shapes = tuple(
            {0: batch, **({sequences[name].axis: length} if name in sequences else {})} for name in inputs
        )
    kinds = {parameter.kind for parameter in inspect.signature(module.forward).parameters.values()}
    if Parameter.VAR_POSITIONAL in kinds:
        dynamic_shapes = (dynamic_shapes,)
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
