"""Add configurations to a bundle that is there: everything else stays as it is."""

from collections.abc import Mapping
from dataclasses import replace

from eerun.bundle.manifest import ENGINES_FOLDER, ConfigurationEntry
from eerun.bundle.reader import Bundle
from eerun.bundle.writer import BundleWriter

__all__ = ["amend_bundle"]


def amend_bundle(bundle: Bundle, configurations: tuple[ConfigurationEntry, ...], files: Mapping[str, object]) -> None:
    """Put a bundle with other configurations in the place of a bundle, in one step.

    Files that both have are linked where the file system can, else copied; kept plans come along.

    Args:
        bundle: an opened bundle.
        configurations: all that it shall list.
        files: JSON files to add or replace, by path; those of the old bundle that nobody names any more go.

    Raises:
        BundleError: a file that stays is damaged.
        UserError: the folder cannot be written.
    """
    targets = {entry.policy for entry in bundle.manifest.targets}
    gone = _named(bundle.manifest.configurations) - _named(configurations) - targets
    kept = [name for name in bundle.manifest.files if name not in files and name not in gone]
    with BundleWriter(bundle.path) as writer:
        for name in kept:
            bundle.read(name)
            writer.take(name, bundle.path / name, bundle.manifest.files[name])
        for name, value in files.items():
            writer.add_json(name, value)
        writer.take_unlisted(bundle.path / ENGINES_FOLDER)
        writer.finish(replace(bundle.manifest, configurations=configurations))


def _named(configurations: tuple[ConfigurationEntry, ...]) -> set[str]:
    """Files of their own."""
    return {name for entry in configurations for name in (entry.policy, entry.costs)}
