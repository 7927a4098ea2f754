"""The model file that a rival loads where the user names none."""

import hashlib
from pathlib import Path

from eengines.errors import UserError
from eerun.bundle import Bundle

__all__ = ["rival_model"]


def rival_model(bundle: Bundle, rival: str) -> Path:
    """Return the place of the model file that a bundle was built from, beside the bundle.

    Args:
        bundle: opened.
        rival: its name, for messages.

    Raises:
        UserError: the bundle is folded, and the file there is not the folded checkpoint: the build has trained it from
            that file, and keeps it elsewhere.
    """
    manifest = bundle.manifest
    path = bundle.path.resolve().parent / Path(manifest.source).name
    if manifest.fold is None or (path.is_file() and _sha256(path) == manifest.source_sha256):
        return path
    factor = manifest.fold.factor
    raise UserError(
        "--model",
        f"--against {rival} needs the trained folded checkpoint of {bundle.path.name}, which {path} is not",
        f"Run `eecompile fold {path.name} --fold {factor} -o FOLDED.pt`, build FOLDED.pt, and give it with --model",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
