"""Open a bundle as a server does: all its files are checked, and a sample is answered before anybody asks."""

import hashlib
from pathlib import Path

from eengines.errors import BundleError
from eerun.bundle import open_bundle
from eerun.bundle.manifest import MANIFEST_NAME
from eerun.model import Model, load
from eerun.random_inputs import random_inputs
from eerun.serve.settings import ServeSettings

__all__ = ["bundle_sha256", "open_model"]


def open_model(path: Path, settings: ServeSettings) -> Model:
    """Return a model that has answered a random sample.

    Raises:
        EEError: see `load`; also an engine that cannot answer.
    """
    model = load(
        path,
        engine=settings.engine,
        precision=settings.precision,
        whole=settings.whole,
        threads=settings.threads,
        device=settings.device,
        in_flight=settings.in_flight,
        device_exits=settings.device_exits,
        trust_plans=settings.trust_plans,
        grouping=settings.grouping.value,
        max_batch=settings.max_batch,
        scheduling=settings.scheduling,
        shadow=settings.shadow,
        shadow_seed=settings.shadow_seed,
        shadow_limit=settings.shadow_limit,
        shadow_confidence=settings.shadow_confidence,
    )
    model.infer(random_inputs(model.manifest.inputs, 1, seed=0), exits=False)
    return model


def bundle_sha256(path: Path) -> str:
    """Check every file of a bundle; return the digest of its manifest, which has the digests of all others.

    Raises:
        BundleError: it is not a bundle, or a file is not what the manifest says.
    """
    open_bundle(path).verify_files()
    try:
        return hashlib.sha256((path / MANIFEST_NAME).read_bytes()).hexdigest()
    except OSError as error:
        raise BundleError(str(path), f"its manifest cannot be read: {error}", "Build the bundle again") from error
