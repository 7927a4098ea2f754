"""The key of this user: plans that carry its mark were made by this user, on a machine with this home."""

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from eengines.errors import UserError

__all__ = ["KEY_BYTES", "user_key"]

KEY_BYTES = 32
VARIABLE = "XDG_CONFIG_HOME"
FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def user_key() -> bytes:
    """Return the 32 random bytes in `eecompile/plan.key` in the user's configuration folder (XDG base directories).

    The first use makes them. Of several processes that do so at once one is first, and all return its key.

    Raises:
        UserError: the user has no home; the file cannot be made or read, or is a link, is not this user's, can be read
            or written by others, or does not have 32 bytes.
    """
    path = _key_file()
    try:
        try:
            return _read(path)
        except FileNotFoundError:
            _make(path)
            return _read(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UserError(str(path), "it is a link, expected a file", "Remove it, and a key is made") from error
        remedy = f"Make its folder writable, or set {VARIABLE} to one that is"
        raise UserError(str(path), f"it cannot be made or read: {error}", remedy) from error


def _key_file() -> Path:
    base = Path(os.environ.get(VARIABLE, ""))
    if not base.is_absolute():  # the specification has relative paths ignored
        try:
            base = Path.home() / ".config"
        except RuntimeError as error:
            raise UserError(VARIABLE, "it is not set, and this user has no home", "Set it to a folder") from error
    if not base.is_absolute():  # a key would be taken from whatever folder this process is in
        raise UserError("HOME", f"got {str(base.parent)!r}, expected an absolute path", f"Set it, or {VARIABLE}")
    return base / "eecompile" / "plan.key"


def _read(path: Path) -> bytes:
    """Read a key that nobody else may know or have put there. What is checked is the file that is read."""
    with open(path, "rb", opener=lambda name, _: os.open(name, FLAGS)) as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise UserError(str(path), "it is not a regular file", "Remove it, and a key is made")
        if state.st_uid != os.geteuid():
            problem = f"it is owned by user {state.st_uid}, expected {os.geteuid()}"
            raise UserError(str(path), problem, "Remove it, and a key is made")
        if state.st_mode & 0o066:
            problem = f"others can read or write it: got mode {stat.S_IMODE(state.st_mode):03o}, expected 600"
            raise UserError(str(path), problem, f"Run `chmod 600 {path}`, or remove it if others may know it")
        key = file.read(KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        problem = f"got {'more than ' if len(key) > KEY_BYTES else ''}{min(len(key), KEY_BYTES)} bytes"
        raise UserError(str(path), f"{problem}, expected {KEY_BYTES}", "Remove it, and a key is made")
    return key


def _make(path: Path) -> None:
    """Make a key, unless somebody else is first. The file has its name only once it is whole."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with open(part, "xb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o600)) as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
