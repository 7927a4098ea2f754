"""The refreshed checkpoint, between the moment when the bundle needs it and the moment when it has its name.

Two names cannot change in one step. The checkpoint is written first, under a name beside its place; then the bundle is
replaced, which says by digest which checkpoint it belongs to; then the checkpoint gets its name. Whoever comes after a
process that was killed in between finds the file and knows from the digest what to do with it.
"""

import os
import shutil
from pathlib import Path

from eecompile.checkpoint import load_checkpoint
from eecompile.ingest.source_hash import source_hash
from eengines.errors import UserError
from eerun.bundle import Bundle

__all__ = ["REFRESHED_FROM", "finish_pending", "pending_path", "put_pending", "write_pending"]

REFRESHED_FROM = "refreshed_from"
"""Key in a checkpoint's `meta`: digest of the checkpoint that it was refreshed from."""


def pending_path(model: Path, bundle: Path) -> Path:
    """Where a checkpoint waits for its place; other bundles of the same model do not touch it."""
    return model.with_name(f".{model.name}.for-{bundle.absolute().name}")


def write_pending(source: Path, model: Path, bundle: Path) -> None:
    """Copy a finished checkpoint to where it waits.

    Args:
        source: the checkpoint.
        model: what it shall replace.
        bundle: folder of the bundle that will need it.

    Raises:
        UserError: it cannot be written.
    """
    waiting = pending_path(model, bundle)
    try:
        with source.open("rb") as old, waiting.open("wb") as new:
            shutil.copyfileobj(old, new)
            new.flush()
            os.fsync(new.fileno())
    except OSError as error:
        waiting.unlink(missing_ok=True)
        raise UserError(str(model), f"cannot be written: {error}", "Give another place with -o") from error


def put_pending(model: Path, bundle: Path) -> None:
    """Give the waiting checkpoint its name, in one step."""
    pending_path(model, bundle).replace(model)


def finish_pending(model: Path, bundle: Bundle) -> bool:
    """Finish or undo what a process that was killed has left; the caller has the right to change the bundle.

    A waiting checkpoint is put in place where the bundle needs it and it was made from the file that it replaces.
    Where the bundle does not need it, the bundle was not replaced, and the checkpoint goes.

    Args:
        model: where the checkpoint is.
        bundle: as it is now; it says which checkpoint it needs.

    Returns:
        Whether a checkpoint was put in place.
    """
    waiting = pending_path(model, bundle.path)
    if not waiting.is_file():
        return False
    if source_hash([waiting]) != bundle.manifest.source_sha256:
        waiting.unlink()
        return False
    made_from = load_checkpoint(waiting).meta.get(REFRESHED_FROM)
    if model.is_file() and source_hash([model]) != made_from:
        return False
    put_pending(model, bundle.path)
    return True
