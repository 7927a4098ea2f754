"""Formats that can run code when they are loaded: only with `--trust`."""

from pathlib import Path
from typing import Any

from eecompile.torch_file import TorchKind, torch_kind, untrusted
from eengines.errors import IngestError

__all__ = ["load_program", "load_script_or_module"]


def load_program(path: Path, *, trust: bool) -> Any:
    """Load a `torch.export` archive.

    Raises:
        IngestError: it is not trusted, or does not load.
    """
    import torch

    _require_trust(path, trust)
    try:
        return torch.export.load(path)
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        raise IngestError(str(path), f"torch.export.load fails: {error}", "Export again with this torch") from error


def load_script_or_module(path: Path, *, trust: bool) -> Any:
    """Load a pickled module.

    Raises:
        IngestError: it is not trusted, is TorchScript (which torch's exporter does not take), or is no module.
    """
    import torch

    _require_trust(path, trust)
    if torch_kind(path) is TorchKind.SCRIPT:
        raise IngestError(
            str(path), "is a TorchScript archive, which torch's ONNX exporter no longer takes", "Save a checkpoint"
        )
    try:
        module = torch.load(path, map_location="cpu", weights_only=False)
    except (AttributeError, ImportError, RuntimeError) as error:
        raise IngestError(
            str(path), f"the pickled module does not load: {error}", "Put its source on PYTHONPATH"
        ) from error
    if not isinstance(module, torch.nn.Module):
        raise IngestError(str(path), f"holds {type(module).__name__}, expected a torch.nn.Module", "Save the network")
    return module.float().eval()


def _require_trust(path: Path, trust: bool) -> None:
    if not trust:
        kind = torch_kind(path)
        raise IngestError(str(path), f"is {kind.value}, which can run code when it is loaded", untrusted(kind))
