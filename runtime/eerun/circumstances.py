"""What a certificate rests on beside the bundle: the library of the engine, and the processor."""

import importlib.metadata

from eerun.bundle import PolicyFile, why_void
from eerun.configuration import Configuration
from eerun.device_configuration import OnDevice
from eerun.measure_costs import device_name

__all__ = ["engine_version", "processor_of", "void_here"]

UNKNOWN = "unknown"
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
    """Return the version of an engine's library, as its package says."""
    for name in DISTRIBUTIONS.get(engine, ()):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return UNKNOWN


def processor_of(way: Configuration) -> str:
    """Return the name of the processor or card that runs a configuration."""
    return way.device.name if isinstance(way, OnDevice) else device_name()


def void_here(way: Configuration, policy: PolicyFile) -> str | None:
    """Return why the certificate of a configuration does not hold here; None: it does, or there is none."""
    if policy.certificate is None:
        return None
    return why_void(
        policy.certificate,
        way.bundle.manifest,
        way.entry,
        policy,
        engine=way.engine,
        engine_version=engine_version(way.engine),
        processor=processor_of(way),
    )
