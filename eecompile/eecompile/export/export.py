"""Export a bundle."""

import os
from pathlib import Path

from eecompile.export.model_repository import write_model
from eecompile.export.settings import NAME, ExportSettings
from eecompile.export.triton import TritonModel, triton_model
from eengines.errors import UserError
from eerun.bundle import open_bundle

__all__ = ["export_bundle"]


def export_bundle(path: Path, settings: ExportSettings, out: Path) -> TritonModel:
    """Write a bundle as a model of another server.

    Args:
        path: the bundle's folder. It is loaded once, and so must run here.
        settings: what to write.
        out: the server's model repository; made if it is not there.

    Returns:
        What was written.

    Raises:
        BundleError: the bundle is damaged.
        EngineError: no engine is here that can load it.
        UserError: a setting does not fit the bundle, the version is there already, or `out` cannot be written.
    """
    bundle = open_bundle(Path(os.path.abspath(path)))
    name = settings.name or bundle.path.stem
    if NAME.fullmatch(name) is None:
        problem = f"the model would be called {name!r}, expected letters, digits, '_', '-' and '.'"
        raise UserError(str(path), problem, "Choose a name with --name")
    model = triton_model(bundle, settings, name=name)
    write_model(model, bundle, out, force=settings.force)
    return model
