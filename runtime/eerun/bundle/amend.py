"""Change the configurations of a bundle that is there: everything else stays as it is."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from eengines.errors import UserError
from eerun.bundle.lock import ELSEWHERE, bundle_lock
from eerun.bundle.manifest import ConfigurationEntry, Manifest
from eerun.bundle.rewrite import rewrite_bundle

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
    """Put a bundle with other configurations in the place of a bundle, in one step; see `rewrite_bundle`.

    Who else amends the bundle, or puts a new build in its place, does so before or after: nothing of theirs is lost.

    Args:
        path: the bundle's folder.
        configurations: from the manifest as it is now to all configurations that the bundle shall list.
        files: JSON files to add or replace, by path; those of the old bundle that nobody names any more go.

    Raises:
        BundleError: a file that stays is damaged, or a configuration names a file that the bundle does not have.
        UserError: the bundle cannot be written.
    """
    check_amendable(path)
    with bundle_lock(path):
        rewrite_bundle(path, lambda manifest: replace(manifest, configurations=configurations(manifest)), files)
