"""The one entrance: the kind of a model file decides who reads it."""

from pathlib import Path

from eecompile.ingest.from_archive import ingest_archive
from eecompile.ingest.from_checkpoint import ingest_checkpoint
from eecompile.ingest.from_module import ingest_module
from eecompile.ingest.from_onnx import ingest_onnx
from eecompile.ingest.from_script import ingest_script
from eecompile.ingest.ingested import Ingested
from eecompile.ingest.settings import IngestSettings
from eecompile.torch_file import TorchKind, has_foreign_objects, torch_kind, untrusted
from eengines.errors import IngestError

__all__ = ["ingest"]


def ingest(model: Path, settings: IngestSettings) -> Ingested:
    """Read a model file and turn it into one optimised ONNX graph with all exits.

    Without `settings.trust` nothing that a file holds is ever run: checkpoints of this project and ONNX graphs are
    read, all else is refused. The module of a checkpoint comes from `eecompile.zoo` or `settings.factory`.

    Args:
        model: a checkpoint, an `.onnx`, or (with `settings.trust`) a `torch.export` archive, a TorchScript archive or
            a pickled `torch.nn.Module`.
        settings: what the user says about it.

    Raises:
        IngestError: the file cannot be read, is not trusted, does not export, or is not a network whose outputs are
            `[batch, classes]` or `[batch, classes, height, width]` logits.
    """
    if model.suffix.lower() == ".onnx":
        return ingest_onnx(model, settings)
    kind = torch_kind(model)
    if kind is TorchKind.SAVED and not (settings.trust and has_foreign_objects(model)):
        return ingest_checkpoint(model, settings)
    if not settings.trust:
        raise IngestError(str(model), f"is {kind.value}, which is not loaded unless trusted", untrusted(kind))
    if kind is TorchKind.EXPORT:
        return ingest_archive(model, settings)
    if kind is TorchKind.SCRIPT:
        return ingest_script(model, settings)
    return ingest_module(model, settings)
