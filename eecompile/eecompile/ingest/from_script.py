"""A TorchScript archive: only for files that the user trusts."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import onnx_ir as ir

from eecompile.ingest.graph_contract import finish_graph, task_of
from eecompile.ingest.ingested import Ingested
from eecompile.ingest.quiet import quiet_torch
from eecompile.ingest.raw_input import described_input
from eecompile.ingest.settings import SEQUENCE_FIELD, IngestSettings
from eecompile.ingest.source_hash import source_hash
from eengines.errors import IngestError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["ingest_script"]

OPSET = 18
"""The lowest that the rest of the compiler works with; the old exporter knows it well."""


def ingest_script(path: Path, settings: IngestSettings) -> Ingested:
    """Load a TorchScript archive and export it with torch's old exporter, the only one that takes scripts.

    Raises:
        IngestError: see `ingest`; also where `--input-shape` or `--input-dtype` is missing.
    """
    import torch

    from eecompile.ingest.export_module import run_example
    from eecompile.ingest.network import check_logits, example_inputs, exit_names, make_reference

    where = str(path)
    settings.refuse(("factory",), where=where, why="a TorchScript archive holds its own code")
    settings.refuse((SEQUENCE_FIELD,), where=where, why="only checkpoints and ONNX graphs can have a sequence axis")
    info = described_input(settings, where=where)
    arguments = example_inputs([info], [info.network_dtype])
    try:
        with quiet_torch(), torch.no_grad():
            module = torch.jit.load(path, map_location="cpu").float().eval()  # type: ignore[no-untyped-call]
            count = len(check_logits(run_example(module, arguments, where=where), where=where))
            exits = exit_names(settings.exits, count, where=where)
            model = _export(module, arguments, names=(info.name, *exits))
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        problem = f"does not load or export: {str(error).strip().splitlines()[0]}"
        raise IngestError(where, problem, "Give a checkpoint or an .onnx of the network") from error
    finish_graph(model, exits=exits, where=where)
    return Ingested(
        model=model,
        inputs=(info,),
        exits=exits,
        classes=None,
        task=task_of(model),
        reference=make_reference(module, [info.name], range(count)),
        source_sha256=source_hash([path]),
    )


def _export(module: "nn.Module", arguments: "tuple[Tensor, ...]", *, names: tuple[str, ...]) -> ir.Model:
    """Export with names for the input and, after it, the outputs."""
    import torch

    file = io.BytesIO()
    torch.onnx.export(
        module,
        arguments,
        file,  # type: ignore[arg-type]  # the old exporter takes a file object too
        dynamo=False,
        opset_version=OPSET,
        input_names=[names[0]],
        output_names=list(names[1:]),
        dynamic_axes={name: {0: "batch"} for name in names},
        verbose=False,
    )
    return ir.from_proto(onnx.load_from_string(file.getvalue()))
