"""What kind of torch file a file is, seen from its bytes, and reading one that holds nothing but tensors."""

import pickle
import struct
import warnings
import zipfile
from enum import Enum
from pathlib import Path

from eengines.errors import IngestError

__all__ = ["TorchKind", "has_foreign_objects", "load_tensors_only", "torch_kind", "untrusted"]

_PICKLE_PROTOCOL_2 = b"\x80\x02"


class TorchKind(Enum):
    """The kinds of torch file; the value is the kind in words."""

    SAVED = "a torch.save file"
    SCRIPT = "a TorchScript archive"
    EXPORT = "a torch.export archive"


def torch_kind(path: Path) -> TorchKind:
    """Tell the kind of a torch file without loading it.

    Raises:
        IngestError: the file is missing, damaged or not a torch file.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4)
        if head.startswith(_PICKLE_PROTOCOL_2):
            return TorchKind.SAVED
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
    except FileNotFoundError as error:
        raise IngestError(str(path), "no such file", "Check the path of the model") from error
    except (zipfile.BadZipFile, OSError) as error:
        problem = f"is damaged or not a torch file: {error}"
        raise IngestError(str(path), problem, "Give a checkpoint, an .onnx or a torch file") from error
    if "constants.pkl" in names:
        return TorchKind.SCRIPT
    if "archive_format" in names or "serialized_exported_program.json" in names:
        return TorchKind.EXPORT
    if "data.pkl" in names:
        return TorchKind.SAVED
    raise IngestError(str(path), "is a zip but not a torch file", "Give a checkpoint, an .onnx or a torch file")


def load_tensors_only(path: Path) -> object:
    """Load a torch file of tensors and plain values; refuse anything that could run code.

    Raises:
        IngestError: the file is missing, damaged, or holds something else.
    """
    import torch

    kind = torch_kind(path)
    if kind is not TorchKind.SAVED:
        raise IngestError(str(path), f"is {kind.value}, expected a checkpoint", untrusted(kind))
    try:
        with warnings.catch_warnings():
            # A file of torch.save's old layout warns about typed storages, which are torch's own business.
            warnings.filterwarnings("ignore", message="TypedStorage is deprecated", category=UserWarning)
            content: object = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        problem = "holds Python objects (a pickled module, not only tensors), which could run code when loaded"
        raise IngestError(str(path), problem, untrusted(kind)) from error
    except (RuntimeError, EOFError, OSError, struct.error, ValueError) as error:
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise IngestError(str(path), f"is damaged: {reason}", "Save the checkpoint again") from error
    return content


def has_foreign_objects(path: Path) -> bool:
    """Whether a `torch.save` file names classes or functions beyond tensors and plain values; nothing is run."""
    from torch.serialization import get_unsafe_globals_in_checkpoint

    try:
        return bool(get_unsafe_globals_in_checkpoint(path))
    except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError, struct.error) as error:
        raise IngestError(str(path), f"is damaged: {type(error).__name__}", "Save it again") from error


def untrusted(kind: TorchKind) -> str:
    """The remedy for a file of a kind that can run code."""
    what = "a pickled module" if kind is TorchKind.SAVED else kind.value
    return (
        f"Save a checkpoint or an .onnx, which are safe; or, where you would run a program from the same source, pass "
        f"--trust: loading {what} can run any code that its author put in"
    )
