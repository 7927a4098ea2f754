"""Write a bundle beside its place, then put it there in one step: an interrupted build leaves the old bundle whole."""

import ctypes
import hashlib
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from eengines.engine_cache import link_plans
from eengines.errors import UserError
from eerun.bundle.manifest import ENGINES_FOLDER, MANIFEST_NAME, FileEntry, Manifest

__all__ = ["BundleWriter"]

RENAME_EXCHANGE = 2
AT_FDCWD = -100


class BundleWriter:
    """Collects the files of a bundle in a temporary folder; `finish` puts it in place.

    Use it as a context manager: leaving it without `finish` removes the temporary folder.

    Attributes:
        target: where the bundle will be.
        folder: the temporary folder.
    """

    def __init__(self, target: Path) -> None:
        if target.exists() and not (target / MANIFEST_NAME).is_file():
            raise UserError(str(target), "it exists and is not a bundle", "Choose another name with -o, or remove it")
        if target.is_symlink():
            raise UserError(str(target), "it is a link", "Give the folder itself with -o")
        self.target = target
        self._files: dict[str, FileEntry] = {}
        self.folder = target.with_name(f".{target.name}.tmp-{os.getpid()}")

    def __enter__(self) -> Self:
        """Make the temporary folder, and remove those that killed builds have left."""
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            _clean_up(self.target)
            self.folder.mkdir()
        except OSError as error:
            raise UserError(
                str(self.target), f"it cannot be written: {error}", "Choose another place with -o"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what is left of the temporary folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, name: str, content: bytes) -> Path:
        """Write one file and list it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_synced(path, content)
        self._files[name] = FileEntry(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
        return path

    def add_json(self, name: str, value: object) -> Path:
        """Write one JSON file and list it."""
        return self.add(name, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")

    def take(self, name: str, source: Path, entry: FileEntry) -> None:
        """List a file of another bundle, which was checked, and link it; where links do not work it is copied."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _link(source, path)
        self._files[name] = entry

    def take_plans(self, source: Path) -> None:
        """Bring the plans of another bundle along, from its folder of them; they are not listed."""
        link_plans(source, self.folder / ENGINES_FOLDER)

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest last, then put the folder in its place."""
        complete = replace(manifest, files=dict(sorted(self._files.items())))
        _write_synced(self.folder / MANIFEST_NAME, msgspec.json.format(msgspec.json.encode(complete), indent=2) + b"\n")
        _put_in_place(self.folder, self.target)


def _link(source: str | Path, target: str | Path) -> None:
    """Let two names have one file; a copy where the file system cannot."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _put_in_place(folder: Path, target: Path) -> None:
    """Rename `folder` to `target`; where an old bundle stands there, exchange the two in one system call.

    File systems without that call get two renames; between them the old bundle stands beside under another name.
    """
    if not target.exists():
        folder.rename(target)
        return
    library = ctypes.CDLL(None, use_errno=True)
    exchange = getattr(library, "renameat2", None)
    if exchange and exchange(AT_FDCWD, os.fsencode(folder), AT_FDCWD, os.fsencode(target), RENAME_EXCHANGE) == 0:
        return
    old = target.with_name(f".{target.name}.old-{os.getpid()}")
    target.rename(old)
    folder.rename(target)
    shutil.rmtree(old)


def _clean_up(target: Path) -> None:
    """Remove what builds that no longer run have left; put back a bundle that one of them had set aside."""
    pattern = re.compile(rf"\.{re.escape(target.name)}\.(tmp|old)-(\d+)")
    for path in target.parent.iterdir():
        match = pattern.fullmatch(path.name)
        if match is None or Path(f"/proc/{match[2]}").exists():
            continue
        if match[1] == "old" and not target.exists():
            path.rename(target)
        else:
            shutil.rmtree(path, ignore_errors=True)
