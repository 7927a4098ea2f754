"""The tables of backends: one file each, chosen by name."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from eengines.device_engine import DeviceBackend
from eengines.engine import Backend
from eengines.errors import EngineError, UserError

__all__ = ["BACKENDS", "DEVICE_BACKENDS", "ENGINES", "find_device_backend", "load_backend"]

BACKENDS: Mapping[str, str] = {
    "onnxruntime": "eengines.backends.onnxruntime:OnnxRuntimeBackend",
    "openvino": "eengines.backends.openvino:OpenVinoBackend",
    "reference": "eengines.backends.reference:ReferenceBackend",
}
"""Those that run on the CPU: name → `module:class`."""

DEVICE_BACKENDS: Mapping[str, str] = {
    "tensorrt": "eengines.backends.tensorrt:TensorRtBackend",
    "tensorrt_rtx": "eengines.backends.tensorrt_rtx:TensorRtRtxBackend",
    "onnxruntime-cuda": "eengines.backends.onnxruntime_cuda:OnnxRuntimeCudaBackend",
}
"""Those that run on a GPU, the fastest first."""

ENGINES = (*BACKENDS, *DEVICE_BACKENDS)
"""What `--engine` takes."""


def load_backend(name: str) -> Backend:
    """Return the backend of the CPU that is called `name`.

    Raises:
        UserError: no backend has that name.
        EngineError: its library is missing.
    """
    backend = cast("Backend", _find(BACKENDS, name)())
    capability = backend.probe()
    if not capability.ok:
        raise EngineError(f"engine {name}", capability.reason, "Install what is named, or choose another with --engine")
    return backend


def find_device_backend(name: str, *, ordinal: int = 0) -> DeviceBackend:
    """Return the backend of a GPU that is called `name`; whether it can run here is for its `probe`.

    Args:
        name: one of `DEVICE_BACKENDS`.
        ordinal: of the GPU that it builds on and runs on, as the driver counts (after CUDA_VISIBLE_DEVICES).

    Raises:
        UserError: no backend has that name.
    """
    return cast("DeviceBackend", _find(DEVICE_BACKENDS, name)(ordinal=ordinal))


def _find(table: Mapping[str, str], name: str) -> Any:
    """Return the class of a backend of a table."""
    if name not in table:
        raise UserError("--engine", f"got {name!r}, known are {', '.join(table)}", "Choose one of these")
    module, _, attribute = table[name].partition(":")
    return getattr(import_module(module), attribute)
