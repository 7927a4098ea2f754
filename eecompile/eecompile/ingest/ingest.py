"""Load a model file of any accepted format."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx_ir as ir

from eecompile.checkpoint import build_module, load_checkpoint
from eecompile.ingest.export import export_module, export_program, torch_reference
from eecompile.ingest.ingested import Ingested, IngestSettings, Reference
from eecompile.ingest.onnx_file import load_onnx
from eecompile.ingest.optimise import optimise
from eecompile.ingest.trusted import load_program, load_script_or_module
from eecompile.input_info import InputInfo
from eecompile.torch_file import TorchKind, load_tensors_only, torch_kind
from eengines.errors import IngestError

__all__ = ["ingest"]


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    model: ir.Model
    inputs: tuple[InputInfo, ...]
    exits: tuple[str, ...]
    classes: tuple[str, ...] | None = None
    task: str = "classification"
    reference: Reference | None = None


def ingest(path: Path, settings: IngestSettings) -> Ingested:
    """Load a model, export it to ONNX where it is torch's, and simplify the graph.

    Raises:
        IngestError: the file does not load, needs `--trust`, or does not export.
    """
    if not path.is_file():
        raise IngestError(str(path), "no such file", "Check the path of the model")
    loaded = _load(path, settings)
    return Ingested(
        model=optimise(loaded.model),
        inputs=loaded.inputs,
        exits=loaded.exits,
        classes=loaded.classes,
        task=loaded.task,
        reference=loaded.reference,
        source_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def _load(path: Path, settings: IngestSettings) -> _Loaded:
    if path.suffix == ".onnx":
        model = load_onnx(path, settings.exits)
        return _Loaded(model=model, inputs=_raw_inputs(model, settings), exits=_output_names(model))
    kind = torch_kind(path)
    if kind is TorchKind.SAVED and not settings.trust:
        return _from_checkpoint(path, settings)
    if kind is TorchKind.SAVED and _is_checkpoint(path):
        return _from_checkpoint(path, settings)
    if kind is TorchKind.EXPORT:
        model, reference = export_program(load_program(path, trust=settings.trust), settings.exits)
        return _Loaded(
            model=model, inputs=_raw_inputs(model, settings), exits=_output_names(model), reference=reference
        )
    return _from_module(path, settings)


def _from_checkpoint(path: Path, settings: IngestSettings) -> _Loaded:
    """The project's own format; what it says of its inputs counts."""
    checkpoint = load_checkpoint(path)
    module = build_module(checkpoint, settings.factory)
    return _Loaded(
        model=export_module(module, checkpoint.inputs, checkpoint.exits),
        inputs=checkpoint.inputs,
        exits=checkpoint.exits,
        classes=checkpoint.classes,
        task=checkpoint.task,
        reference=torch_reference(module, checkpoint.inputs),
    )


def _is_checkpoint(path: Path) -> bool:
    """Whether a file loads without running code."""
    try:
        content = load_tensors_only(path)
    except IngestError:
        return False
    return isinstance(content, dict) and "format" in content


def _from_module(path: Path, settings: IngestSettings) -> _Loaded:
    """A pickled module or a TorchScript archive: neither says what its inputs are."""
    module = load_script_or_module(path, trust=settings.trust)
    if settings.input_shape is None:
        raise IngestError(
            str(path), "the format does not say the shape of a sample", "Give --input-shape, such as 3,32,32"
        )
    info = InputInfo(
        name="x",
        shape=settings.input_shape,
        dtype=settings.input_dtype or "float32",
        layout=settings.layout,
        scale=settings.scale,
        mean=settings.mean,
        std=settings.std,
    )
    model = export_module(module, (info,), settings.exits)
    return _Loaded(model=model, inputs=(info,), exits=_output_names(model), reference=torch_reference(module, (info,)))


def _output_names(model: ir.Model) -> tuple[str, ...]:
    return tuple(value.name or "" for value in model.graph.outputs)


def _raw_inputs(model: ir.Model, settings: IngestSettings) -> tuple[InputInfo, ...]:
    """Raw samples of a graph: as its inputs, or as the flags say where there is one input."""
    values = model.graph.inputs
    says_more = [settings.input_dtype, settings.layout, settings.scale, settings.mean, settings.std]
    if len(values) > 1 and any(item is not None for item in says_more):
        raise IngestError(
            "input", f"the network has {len(values)} inputs, the flags describe one", "Normalise before, or leave out"
        )
    return tuple(_raw_input(value, settings) for value in values)


def _raw_input(value: ir.Value, settings: IngestSettings) -> InputInfo:
    shape: tuple[Any, ...] = tuple(value.shape)[1:] if value.shape is not None else ()
    if not all(isinstance(size, int) for size in shape) or value.dtype is None:
        raise IngestError(
            f"input {value.name!r}",
            f"got {value.dtype} {value.shape}, expected fixed axes behind the batch",
            "Export so",
        )
    if settings.layout == "NHWC" and len(shape) == 3:
        shape = (*shape[1:], shape[0])
    return InputInfo(
        name=value.name or "",
        shape=shape,
        dtype=settings.input_dtype or value.dtype.numpy().name,
        layout=settings.layout,
        scale=settings.scale,
        mean=settings.mean,
        std=settings.std,
    )
