"""Torch to ONNX, with a symbolic batch."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from eecompile.ingest.ingested import Reference
from eecompile.input_info import InputInfo
from eengines.errors import IngestError
from eengines.tensors import Array

__all__ = ["export_module", "export_program", "torch_reference"]

BATCH = "batch"
EXAMPLE_BATCH = 2
"""A batch of 1 would be taken for a constant."""


def export_module(module: Any, inputs: Sequence[InputInfo], exits: Sequence[str] | None) -> ir.Model:
    """Export a module whose `forward` returns the logits of every exit, shallow to deep.

    Args:
        module: in evaluation mode.
        inputs: raw samples; the module gets what the network sees of them.
        exits: names of the exits; None: `exit_0`, `exit_1`, …

    Raises:
        IngestError: the module does not run on such samples, does not return exits, or does not export.
    """
    import torch

    example = tuple(_example(info) for info in inputs)
    try:
        with torch.no_grad():
            outputs = module(*example)
    except Exception as error:
        shapes = ", ".join(str(list(tensor.shape)) for tensor in example)
        raise IngestError("network", f"forward fails on {shapes}: {error}", "Correct the input's shape") from error
    names = _exit_names(outputs, exits)
    batch = torch.export.Dim(BATCH)
    return _to_onnx(
        module,
        example,
        input_names=[info.name for info in inputs],
        output_names=names,
        dynamic_shapes=tuple({0: batch} for _ in inputs),
    )


def export_program(program: Any, exits: Sequence[str] | None) -> tuple[ir.Model, Reference]:
    """Export a `torch.export` program; return the graph and the program as a reference.

    Raises:
        IngestError: its batch is fixed, or it does not export.
    """
    import torch

    module = program.module()
    example, _ = program.example_inputs
    with torch.no_grad():
        names = _exit_names(module(*example), exits)
    model = _to_onnx(program, (), output_names=names)
    for value in model.graph.inputs:
        if value.shape is None or isinstance(value.shape[0], int):
            raise IngestError(
                f"input {value.name!r}", f"got a fixed batch in {value.shape}", "Export with a dynamic batch axis"
            )
    names_in = [value.name or "" for value in model.graph.inputs]
    return model, _reference(module, names_in)


def torch_reference(module: Any, inputs: Sequence[InputInfo]) -> Reference:
    """The module as a function on network inputs."""
    return _reference(module, [info.name for info in inputs])


def _reference(module: Any, names: Sequence[str]) -> Reference:
    import torch

    def run(values: Mapping[str, Array]) -> list[Array]:
        with torch.no_grad():
            outputs = module(*(torch.from_numpy(values[name]) for name in names))
        return [output.numpy() for output in (outputs if isinstance(outputs, tuple | list) else [outputs])]

    return run


def _example(info: InputInfo) -> Any:
    """Two samples: zeros for integers, noise for floats."""
    import torch

    shape = (EXAMPLE_BATCH, *info.network_shape)
    dtype = np.dtype(info.network_dtype)
    if dtype.kind != "f":
        return torch.from_numpy(np.zeros(shape, dtype))
    return torch.from_numpy(np.random.default_rng(0).random(shape).astype(dtype))


def _exit_names(outputs: Any, exits: Sequence[str] | None) -> list[str]:
    """Check what `forward` returns and name it."""
    import torch

    found = list(outputs) if isinstance(outputs, tuple | list) else [outputs]
    for index, output in enumerate(found):
        if not isinstance(output, torch.Tensor) or output.ndim != 2 or not output.is_floating_point():
            got = f"{output.dtype} {list(output.shape)}" if isinstance(output, torch.Tensor) else type(output).__name__
            raise IngestError(f"exit {index}", f"got {got}, expected float [batch, classes]", "Return logits")
    names = list(exits) if exits is not None else [f"exit_{index}" for index in range(len(found))]
    if len(names) != len(found):
        raise IngestError("exits", f"got {len(names)} names for {len(found)} outputs of forward", "Name every exit")
    return names


def _to_onnx(module: Any, example: tuple[Any, ...], **options: Any) -> ir.Model:
    """Run torch's exporter without its talk."""
    import torch

    try:
        with _quiet():
            program = torch.onnx.export(module, example, dynamo=True, external_data=False, verbose=False, **options)
    except (torch.onnx.OnnxExporterError, RuntimeError, ValueError, TypeError) as error:
        raise IngestError(
            "network",
            f"torch.onnx.export fails: {str(error).strip().splitlines()[0]}",
            "Make forward exportable (no Python branches on values); or export to ONNX yourself",
        ) from error
    if program is None:
        raise IngestError("network", "torch.onnx.export returned nothing", "Export to ONNX yourself")
    model = ir.from_proto(ir.to_proto(program.model))
    for value in model.graph.inputs:
        if value.shape is not None and not isinstance(value.shape[0], int):
            value.shape = ir.Shape([BATCH, *tuple(value.shape)[1:]])
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress, log lines and deprecation warnings of its own code off the terminal."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "torch.export")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", UserWarning)
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
