"""A `torch.export` archive (`.pt2`), which can hold pickled objects: only for files that the user trusts."""

import pickle
from pathlib import Path
from typing import TYPE_CHECKING

from eecompile.ingest.graph_contract import finish_graph, task_of
from eecompile.ingest.ingested import Ingested
from eecompile.ingest.quiet import quiet_torch
from eecompile.ingest.raw_input import raw_inputs
from eecompile.ingest.settings import SEQUENCE_FIELD, IngestSettings
from eecompile.ingest.source_hash import source_hash
from eengines.errors import IngestError

if TYPE_CHECKING:
    from torch.export import ExportedProgram

__all__ = ["ingest_archive"]


def ingest_archive(path: Path, settings: IngestSettings) -> Ingested:
    """Load a `torch.export` archive and turn it into ONNX. Shapes and dtypes come from its signature.

    Raises:
        IngestError: see `ingest`.
    """
    from eecompile.ingest.export_module import export_program, run_example
    from eecompile.ingest.network import check_logits, example_inputs, exit_names, make_reference

    where = str(path)
    settings.refuse(("factory",), where=where, why="a torch.export archive holds its own code")
    settings.refuse((SEQUENCE_FIELD,), where=where, why="only checkpoints and ONNX graphs can have a sequence axis")
    program = _load(path)
    network = _signature(program, where=where)
    infos = raw_inputs(network, settings, where=where)
    names = [info.name for info in infos]
    module = program.module()
    arguments = example_inputs(infos, [dtype for _, _, dtype in network])
    count = len(check_logits(run_example(module, arguments, where=where), where=where))
    exits = exit_names(settings.exits, count, where=where)
    model = export_program(program, inputs=names, exits=exits, where=where)
    finish_graph(model, exits=exits, where=where)
    return Ingested(
        model=model,
        inputs=infos,
        exits=exits,
        classes=None,
        task=task_of(model),
        reference=make_reference(module, names, range(count)),
        source_sha256=source_hash([path]),
    )


def _load(path: Path) -> "ExportedProgram":
    import torch

    try:
        with quiet_torch():
            return torch.export.load(path)
    except (RuntimeError, ValueError, KeyError, ImportError, AttributeError, pickle.UnpicklingError) as error:
        problem = f"does not load: {(str(error).strip().splitlines() or [type(error).__name__])[0]}"
        remedy = "Export it again with this version of torch, or give a checkpoint or an .onnx"
        raise IngestError(str(path), problem, remedy) from error


def _signature(program: "ExportedProgram", *, where: str) -> list[tuple[str, tuple[int, ...], str]]:
    """Return name, shape of one sample and dtype of every input; the batch axis must be dynamic, the others not."""
    placeholders = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    found = []
    for name in program.graph_signature.user_inputs:
        value = placeholders[name].meta["val"] if isinstance(name, str) and name in placeholders else None
        shape = list(getattr(value, "shape", []))
        if value is None or not shape or isinstance(shape[0], int) or not all(isinstance(n, int) for n in shape[1:]):
            problem = f"input '{name}' has shape {shape}, expected a dynamic batch axis and fixed sizes after it"
            remedy = "Export it with dynamic_shapes={...: {0: Dim('batch')}} and an example batch of 2 or more"
            raise IngestError(where, problem, remedy)
        found.append((str(name), tuple(int(n) for n in shape[1:]), str(value.dtype).removeprefix("torch.")))
    return found
