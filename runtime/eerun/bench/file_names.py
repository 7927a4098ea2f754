"""Names of files without their folders: records are passed on, and a machine's folders are nobody else's business."""

from collections.abc import Sequence
from pathlib import Path

__all__ = ["command_without_folders", "without_folder"]


def without_folder(path: str | Path) -> str:
    """Return the last part of a path; a text that is none, such as `package.module:function`, is returned as it is."""
    return Path(path).name or Path(path).absolute().name


def command_without_folders(words: Sequence[str]) -> tuple[str, ...]:
    """Return a command line in which paths have lost their folders, those in `--flag=PATH` too."""
    return tuple(_without_folder(word) for word in words)


def _without_folder(word: str) -> str:
    flag, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    return f"{flag}{equals}{without_folder(value) if Path(value).name else value}"
