"""Put a changed bundle in the place of a bundle, in one step: files that stay are linked."""

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

from eengines.errors import BundleError
from eerun.bundle.manifest import ENGINES_FOLDER, SCHEMA, ConfigurationEntry, Manifest
from eerun.bundle.reader import Bundle, open_bundle
from eerun.bundle.writer import BundleWriter

__all__ = ["rewrite_bundle"]


def rewrite_bundle(
    path: Path, change: Callable[[Manifest], Manifest], files: Mapping[str, object], *, drop: Collection[str] = ()
) -> None:
    """Write a changed bundle beside its place, then put it there; whoever is interrupted leaves the old one whole.

    Files that both have are linked where the file system can, else copied; kept plans come along. The caller has the
    right to change the bundle: see `bundle_lock` and `check_amendable`.

    Args:
        path: the bundle's folder.
        change: from the manifest as it is now to what it shall be; `files` of it and the version are seen to here.
        files: files to add or replace, by path: bytes as they are, all else as JSON. Those that the old manifest names
            and the new one does not go.
        drop: further files that go.

    Raises:
        BundleError: a file that stays is damaged, or the new manifest names a file that the bundle does not have.
        UserError: the bundle cannot be written.
    """
    bundle = open_bundle(Path(os.path.abspath(path)))
    wanted = change(bundle.manifest)
    gone = _named(bundle.manifest) - _named(wanted)
    kept = [name for name in bundle.manifest.files if name not in files and name not in gone and name not in drop]
    _check_named(bundle.path, wanted, {*kept, *files})
    _write(bundle, wanted, kept, files)


def _write(bundle: Bundle, manifest: Manifest, kept: list[str], files: Mapping[str, object]) -> None:
    """Write the new bundle and put it in the place of the old one."""
    with BundleWriter(bundle.path) as writer:
        for name in kept:
            bundle.read(name)
            writer.take(name, bundle.path / name, bundle.manifest.files[name])
        for name, content in files.items():
            if isinstance(content, bytes):
                writer.add(name, content)
            else:
                writer.add_json(name, content)
        writer.take_plans(bundle.path / ENGINES_FOLDER)
        writer.finish(replace(manifest, schema=SCHEMA))


def _check_named(path: Path, manifest: Manifest, names: set[str]) -> None:
    """Refuse a manifest that names files which are not there, as after another build."""
    for entry in manifest.configurations:
        missing = sorted(_of_configuration(entry) - names)
        if missing:
            problem = f"configuration {entry.name} needs {', '.join(missing)}, which the bundle does not have"
            raise BundleError(str(path), problem, "If it was built again meanwhile, start again")


def _named(manifest: Manifest) -> set[str]:
    """Every file that the manifest names by itself; reports may have further ones beside them."""
    found = {segment.file for segment in manifest.segments} | {manifest.whole, manifest.report}
    for way in manifest.configurations:
        found |= _of_configuration(way)
    for target in manifest.targets:
        found |= {*target.segments, target.whole, target.policy}
    return found | {name for name in (manifest.ranges, manifest.easiness) if name is not None}


def _of_configuration(entry: ConfigurationEntry) -> set[str]:
    return {*entry.segments, *entry.heads, entry.whole, entry.policy, entry.costs, *entry.length_costs}
