"""Folded networks that were trained before, by what they were trained from."""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from eecompile.checkpoint import build_module, load_checkpoint, save_checkpoint
from eecompile.fold_training.as_checkpoint import as_checkpoint
from eecompile.fold_training.fold_data import FoldData, fold_data
from eecompile.fold_training.fold_identity import fold_identity, identity_key
from eecompile.fold_training.settings import FoldTrainSettings
from eecompile.fold_training.teacher import Teacher, load_teacher
from eecompile.fold_training.train_folded import train_folded
from eecompile.stages import Stages
from eecompile.train.arithmetic import choose_arithmetic
from eengines.engine_cache import FileLock
from eengines.errors import IngestError, UserError

__all__ = ["folded_checkpoint", "folded_folder"]

POLL_S = 0.2
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
VARIABLE = "XDG_CACHE_HOME"


def folded_checkpoint(model: Path, settings: FoldTrainSettings, stages: Stages) -> Path:
    """Return a trained folded checkpoint of a network; the same network, samples and settings are trained once.

    A training that was interrupted goes on where it was. Of several processes that want the same network one trains,
    the others wait for it.

    Args:
        model: a checkpoint that is not folded.
        settings: how to fold and train.
        stages: where progress is shown.

    Returns:
        A file in the user's cache, see `folded_folder`; to be read, not changed.

    Raises:
        UserError: settings do not fit the network or the data, or the cache cannot be written.
        IngestError: the network cannot be loaded or folded.
        DataError: there are no samples to train on.
        BuildError: the loss stopped being finite.
        KeyboardInterrupt: Ctrl-C; the state of the training is kept.
    """
    with stages.stage("load the network and the training samples"):
        teacher = load_teacher(model, settings.factory)
        data = fold_data(model, settings, teacher.checkpoint.inputs)
        key = identity_key(fold_identity(teacher, data, settings))
    file = folded_folder() / f"{key}.pt"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(str(file.parent), f"cannot be made: {error}", f"Set {VARIABLE} to another folder") from error
    with _only_one(file, stages):
        if _is_sound(file, settings, stages):
            stages.detail(f"folded network: trained before, {file}; delete the file to train it anew")
        else:
            _train(teacher, data, settings, stages, file)
    return file


def folded_folder() -> Path:
    """Return `eecompile/folded` in the user's cache folder (XDG base directories).

    Raises:
        UserError: XDG_CACHE_HOME is not set, and the user has no home.
    """
    base = Path(os.environ.get(VARIABLE, ""))
    if not base.is_absolute():  # the specification has relative paths ignored
        try:
            base = Path.home() / ".cache"
        except RuntimeError as error:
            raise UserError(VARIABLE, "it is not set, and this user has no home", "Set it to a folder") from error
    return base / "eecompile" / "folded"


def _train(teacher: Teacher, data: FoldData, settings: FoldTrainSettings, stages: Stages, file: Path) -> None:
    state = _state_of(file, settings)
    trained = train_folded(teacher, data, settings, stages, state=state, resume=state.exists())
    if trained.interrupted:
        stages.warn(f"interrupted after {trained.epochs} of {trained.epochs_planned} epochs: the same command goes on")
        raise KeyboardInterrupt
    save_checkpoint(file, as_checkpoint(teacher, trained, settings))
    state.unlink(missing_ok=True)


def _state_of(file: Path, settings: FoldTrainSettings) -> Path:
    """Where an interrupted training is; one on another device or in another precision cannot go on from it."""
    arithmetic = choose_arithmetic(settings.for_loop(1))
    return file.with_suffix(f".{sha256(str(arithmetic).encode()).hexdigest()[:8]}.training")


def _is_sound(file: Path, settings: FoldTrainSettings, stages: Stages) -> bool:
    """Whether the file is there, and a checkpoint whose weights fit the network."""
    if not file.exists():
        return False
    try:
        build_module(load_checkpoint(file), settings.factory)
    except IngestError as error:
        stages.warn(f"{error}; it is trained again")
        return False
    return True


@contextmanager
def _only_one(file: Path, stages: Stages) -> Iterator[None]:
    """Let one process at a time train a network; where the file system has no locks, nobody waits."""
    lock = _take(file, stages)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _take(file: Path, stages: Stages) -> FileLock | None:
    said = False
    while True:
        try:
            lock = FileLock.take(file.with_suffix(".lock"))
        except OSError as error:
            if error.errno in NO_LOCKS:
                return None
            raise UserError(str(file), f"cannot be locked: {error}", f"Set {VARIABLE} to another folder") from error
        if lock is not None:
            return lock
        if not said:
            stages.warn("another process trains the same folded network: waiting for it")
        said = True
        time.sleep(POLL_S)
