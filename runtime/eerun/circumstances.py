"""What a certificate rests on beside the bundle: the library of the engine, and the processor."""

import importlib.metadata

from eerun.bundle import UNKNOWN_VERSION, PolicyFile, why_void
from eerun.configuration import Configuration
from eerun.device_configuration import OnDevice
from eerun.folding import Grouping
from eerun.measure_costs import device_name

__all__ = ["engine_version", "processor_of", "void_here"]

DISTRIBUTIONS = {
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "openvino": ("openvino",),
    "reference": ("onnx",),
    "tensorrt": ("tensorrt",),
    "tensorrt_rtx": ("tensorrt-rtx", "tensorrt-rtx-cu13"),
    "onnxruntime-cuda": ("onnxruntime-gpu",),
}
"""Engine -> packages that may hold its library."""


def engine_version(engine: str) -> str:
    """Return the version of an engine's library, as its package says.

    Where several packages that may hold it are installed, nobody can tell whose files are in place: all are named.
    """
    found = dict[str, str]()
    for name in DISTRIBUTIONS.get(engine, ()):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    if len(found) > 1:
        return ", ".join(f"{version} ({name})" for name, version in found.items())
    return next(iter(found.values()), UNKNOWN_VERSION)


def processor_of(way: Configuration) -> str:
    """Return the name of the processor or card that runs a configuration."""
    return way.device.name if isinstance(way, OnDevice) else device_name()


def void_here(way: Configuration, policy: PolicyFile, grouping: Grouping = Grouping.ARRIVAL) -> str | None:
    """Return why nothing is promised here, although something is of this bundle; None: the certificate holds.

    Either the certificate of this configuration is void, or it has none, and others have. None, too, where no
    configuration of the bundle has one. `grouping` says which images of a folded network share a row.
    """
    if policy.certificate is None:
        return _others_certified(way)
    return why_void(
        policy.certificate,
        way.bundle.manifest,
        way.entry,
        policy,
        engine=way.engine,
        engine_version=engine_version(way.engine),
        processor=processor_of(way),
        grouping=grouping,
    )


def _others_certified(way: Configuration) -> str | None:
    """Say which configurations are certified where this one is not; None: there is none."""
    bundle = way.bundle
    names = [entry.name for entry in bundle.manifest.configurations if bundle.policy(entry).certificate is not None]
    return f"{way.words} was not certified, only {', '.join(names)}" if names else None
