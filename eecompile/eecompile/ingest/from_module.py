"""A pickled `torch.nn.Module`, which runs code when it is loaded: only for files that the user trusts."""

import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from eecompile.ingest.graph_contract import finish_graph, task_of
from eecompile.ingest.ingested import Ingested
from eecompile.ingest.raw_input import described_input
from eecompile.ingest.settings import SEQUENCE_FIELD, IngestSettings
from eecompile.ingest.source_hash import source_hash
from eengines.errors import IngestError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ingest_module", "load_module"]


def ingest_module(path: Path, settings: IngestSettings) -> Ingested:
    """Unpickle a module and export it. Its class must be importable, also from the current directory.

    Raises:
        IngestError: see `ingest`; also where `--input-shape` or `--input-dtype` is missing.
    """
    from eecompile.ingest.export_module import export_module, run_example
    from eecompile.ingest.network import check_logits, example_inputs, exit_names, make_reference

    where = str(path)
    settings.refuse(("factory",), where=where, why="a pickled module names its own class")
    settings.refuse((SEQUENCE_FIELD,), where=where, why="only checkpoints and ONNX graphs can have a sequence axis")
    info = described_input(settings, where=where)
    module = load_module(path)
    arguments = example_inputs([info], [info.network_dtype])
    count = len(check_logits(run_example(module, arguments, where=where), where=where))
    exits = exit_names(settings.exits, count, where=where)
    model = export_module(module, arguments, inputs=[info.name], exits=exits, where=where)
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


def load_module(path: Path) -> "nn.Module":
    """Unpickle a module, in evaluation mode and float32; this can run code.

    Raises:
        IngestError: the file is damaged, holds something else, or its class cannot be imported.
    """
    import torch

    where = str(path)
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = torch.load(path, map_location="cpu", weights_only=False)
    except (ImportError, AttributeError) as error:
        remedy = "Run from the folder that holds the module's code, or put that folder on PYTHONPATH"
        raise IngestError(where, f"needs a class that cannot be imported: {error}", remedy) from error
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise IngestError(where, f"is damaged: {type(error).__name__}", "Save the module again") from error
    if not isinstance(module, torch.nn.Module):
        problem = f"holds {type(module).__name__}, expected a torch.nn.Module"
        raise IngestError(where, problem, "Save a checkpoint with eecompile.checkpoint.save_checkpoint")
    return module.float().eval()
