"""Put another bundle into the place of one that is served: a good one, or one of several kinds of damage."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np

__all__ = ["DAMAGES", "damage", "replace_bundle", "touch_bundle"]

MANIFEST = "manifest.json"
DAMAGES = ("truncated manifest", "flipped byte", "no such file", "graph that does not load")


def replace_bundle(path: Path, new: Path) -> None:
    """Put a copy of `new` where `path` is, by renaming; the manifest appears with the rest."""
    fresh, old = path.with_name(f".{path.name}.new"), path.with_name(f".{path.name}.old")
    shutil.copytree(new, fresh)
    path.rename(old)
    fresh.rename(path)
    shutil.rmtree(old)


def touch_bundle(path: Path, *, number: int) -> None:
    """Make it another bundle that answers the same: its manifest names another producer."""
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["producer"] = {**manifest["producer"], "swap": str(number)}
    _write_manifest(path, json.dumps(manifest).encode())


def damage(path: Path, kind: str, random: np.random.Generator) -> None:
    """Damage a bundle in place.

    Args:
        path: its folder.
        kind: one of `DAMAGES`.
        random: says where.
    """
    content = (path / MANIFEST).read_bytes()
    manifest = json.loads(content)
    graph = manifest["segments"][0]["file"]
    if kind == "truncated manifest":
        _write_manifest(path, content[: int(random.integers(1, len(content)))])
        return
    if kind == "no such file":
        (path / graph).unlink()
    elif kind == "flipped byte":
        changed = bytearray((path / graph).read_bytes())
        changed[int(random.integers(len(changed)))] ^= 0xFF
        (path / graph).write_bytes(changed)
    else:
        for name in {ways["segments"][0] for ways in manifest["configurations"]} | {graph}:
            rubbish = random.bytes(500)
            (path / name).write_bytes(rubbish)
            manifest["files"][name] = {"sha256": hashlib.sha256(rubbish).hexdigest(), "bytes": len(rubbish)}
    manifest["producer"] = {**manifest["producer"], "damaged": kind}
    _write_manifest(path, json.dumps(manifest).encode())


def _write_manifest(path: Path, content: bytes) -> None:
    """Replace it at once, as a writer does."""
    fresh = path / f".{MANIFEST}.new"
    fresh.write_bytes(content)
    os.replace(fresh, path / MANIFEST)
