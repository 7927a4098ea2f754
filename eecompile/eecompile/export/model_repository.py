"""Put a model into Triton's model repository, `OUT/NAME/VERSION`, in one step."""

import os
import shutil
from pathlib import Path

from eecompile.export.triton import TritonModel
from eengines.errors import BundleError, UserError
from eerun.bundle import MANIFEST_NAME, Bundle, open_bundle

__all__ = ["write_model"]

BUNDLE_FOLDER, CONFIG_NAME, PROGRAM_NAME = "model.ee", "config.pbtxt", "model.py"
REMEDY = "Choose another place"


def write_model(model: TritonModel, bundle: Bundle, out: Path, *, force: bool) -> None:
    """Write a model beside its place, then put it there.

    A new model appears with everything in it. A new version of a model that is there appears in one step, too; with
    `force` the old one is set aside a moment before.

    Args:
        model: what to write.
        bundle: its files are checked and copied; kept plans of GPUs are not, another machine builds its own.
        out: the model repository; made if it is not there.
        force: replace this version and the configuration.

    Raises:
        BundleError: a file of the bundle is damaged, or the bundle was replaced meanwhile.
        UserError: the version is there, the model has another configuration, or `out` cannot be written.
    """
    target = out / model.name
    _check_place(model, target, force=force)
    temporary = out / f".{model.name}.tmp-{os.getpid()}"
    try:
        try:
            out.mkdir(parents=True, exist_ok=True)
            _write_files(model, bundle, temporary)
            _put_in_place(temporary, target, str(model.version))
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise UserError(str(out), f"it cannot be written: {error}", REMEDY) from error


def _check_place(model: TritonModel, target: Path, *, force: bool) -> None:
    """Refuse to write over something, before any work is done."""
    if (target.exists() and not target.is_dir()) or target.is_symlink():
        raise UserError(str(target), "it is there and is not a folder", "Choose another --name, or remove it")
    if force:
        return
    version, config = target / str(model.version), target / CONFIG_NAME
    if version.exists():
        remedy = "Choose another --version, or replace it with --force"
        raise UserError(str(version), "this version is there already", remedy)
    if config.exists() and config.read_text(encoding="utf-8") != model.config:
        problem = "the other versions have another configuration, and a model has one for all of them"
        raise UserError(str(config), problem, "Choose another --name, or replace the configuration with --force")


def _write_files(model: TritonModel, bundle: Bundle, folder: Path) -> None:
    """Write configuration, program and bundle; the manifest last."""
    place = folder / str(model.version)
    (place / BUNDLE_FOLDER).mkdir(parents=True)
    (folder / CONFIG_NAME).write_text(model.config, encoding="utf-8")
    (place / PROGRAM_NAME).write_text(model.program, encoding="utf-8")
    for name in bundle.manifest.files:
        file = place / BUNDLE_FOLDER / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bundle.read(name))
    (place / BUNDLE_FOLDER / MANIFEST_NAME).write_bytes((bundle.path / MANIFEST_NAME).read_bytes())
    if open_bundle(place / BUNDLE_FOLDER).manifest != bundle.manifest:
        raise BundleError(str(bundle.path), "it was replaced while it was copied", "Export it again")


def _put_in_place(folder: Path, target: Path, version: str) -> None:
    """Rename what was written to its place; what is replaced goes with the temporary folder."""
    if not target.exists():
        folder.rename(target)
        return
    place, old = target / version, folder / f"{version}.old"
    replaced = place.exists()
    if replaced:
        place.rename(old)
    try:
        (folder / version).rename(place)
    except OSError:
        if replaced:
            old.rename(place)
        raise
    (folder / CONFIG_NAME).replace(target / CONFIG_NAME)
