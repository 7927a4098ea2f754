"""Write a file that the user named, in one step: whoever reads it sees the old one or all of the new one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from eengines.errors import UserError

__all__ = ["check_writable", "replace_file"]


def check_writable(path: Path, *, flag: str) -> None:
    """Refuse a path that cannot be written, before any work is done for it.

    Raises:
        UserError: its folder does not exist or is read-only, or it is itself a folder.
    """
    if path.is_dir():
        raise UserError(f"{flag} {path}", "is a folder, expected the name of a file", "Give a file name")
    if not path.parent.is_dir():
        raise UserError(f"{flag} {path}", f"the folder {path.parent} does not exist", "Make it, or give another place")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"{flag} {path}", f"the folder {path.parent} cannot be written to", "Give another place")


@contextmanager
def replace_file(path: Path, *, flag: str) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; it takes that name when the context ends without an error.

    Raises:
        UserError: the file cannot be written.
    """
    check_writable(path, flag=flag)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"{flag} {path}", f"cannot be written: {error}", "Give another place") from error
    finally:
        temporary.unlink(missing_ok=True)
