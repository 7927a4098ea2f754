"""Change the configurations of a bundle that is there: everything else stays as it is."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from eengines.errors import BundleError, UserError
from eerun.bundle.lock import ELSEWHERE, bundle_lock
from eerun.bundle.manifest import ENGINES_FOLDER, SCHEMA, ConfigurationEntry, Manifest
from eerun.bundle.reader import Bundle, open_bundle
from eerun.bundle.writer import BundleWriter

__all__ = ["amend_bundle", "check_amendable"]


def check_amendable(path: Path) -> None:
    """Find out, before long work, whether `amend_bundle` will be possible.

    Raises:
        UserError: the bundle is a link or a mount, or it or the folder that it is in cannot be written.
    """
    place = Path(os.path.abspath(path))
    if place.is_symlink():
        raise UserError(str(path), "it is a link, and is replaced as a whole", "Give the folder that it leads to")
    if place.is_mount():
        raise UserError(str(path), "something is mounted there, and it is replaced as a whole", ELSEWHERE)
    for folder, words in ((place, "it"), (place.parent, f"the folder {place.parent}")):
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise UserError(str(path), f"{words} cannot be written, and the bundle is replaced as a whole", ELSEWHERE)


def amend_bundle(
    path: Path, configurations: Callable[[Manifest], tuple[ConfigurationEntry, ...]], files: Mapping[str, object]
) -> None:
    """Put a bundle with other configurations in the place of a bundle, in one step.

    Files that both have are linked where the file system can, else copied; kept plans come along. Who else amends the
    bundle, or puts a new build in its place, does so before or after: nothing of theirs is lost.

    Args:
        path: the bundle's folder.
        configurations: from the manifest as it is now to all configurations that the bundle shall list.
        files: JSON files to add or replace, by path; those of the old bundle that nobody names any more go.

    Raises:
        BundleError: a file that stays is damaged, or a configuration names a file that the bundle does not have.
        UserError: the bundle cannot be written.
    """
    check_amendable(path)
    path = Path(os.path.abspath(path))
    with bundle_lock(path):
        bundle = open_bundle(path)
        wanted = configurations(bundle.manifest)
        targets = {entry.policy for entry in bundle.manifest.targets}
        gone = _own(bundle.manifest.configurations) - _own(wanted) - targets
        kept = [name for name in bundle.manifest.files if name not in files and name not in gone]
        _check_named(path, wanted, {*kept, *files})
        _write(bundle, wanted, kept, files)


def _write(
    bundle: Bundle, configurations: tuple[ConfigurationEntry, ...], kept: list[str], files: Mapping[str, object]
) -> None:
    """Write the new bundle and put it in the place of the old one."""
    with BundleWriter(bundle.path) as writer:
        for name in kept:
            bundle.read(name)
            writer.take(name, bundle.path / name, bundle.manifest.files[name])
        for name, value in files.items():
            writer.add_json(name, value)
        writer.take_plans(bundle.path / ENGINES_FOLDER)
        writer.finish(replace(bundle.manifest, schema=SCHEMA, configurations=configurations))


def _check_named(path: Path, configurations: tuple[ConfigurationEntry, ...], names: set[str]) -> None:
    """Refuse a configuration whose graphs are gone, as after another build."""
    for entry in configurations:
        missing = sorted({*entry.segments, entry.whole, entry.policy, entry.costs} - names)
        if missing:
            problem = f"configuration {entry.name} needs {', '.join(missing)}, which the bundle does not have"
            raise BundleError(str(path), problem, "If it was built again meanwhile, start again")


def _own(configurations: tuple[ConfigurationEntry, ...]) -> set[str]:
    """Files that only one configuration has."""
    return {name for entry in configurations for name in (entry.policy, entry.costs)}
