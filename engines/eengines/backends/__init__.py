"""The table of backends: one file each, chosen by name."""

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from eengines.engine import Backend
from eengines.errors import EngineError, UserError

__all__ = ["BACKENDS", "load_backend"]

BACKENDS: Mapping[str, str] = {
    "onnxruntime": "eengines.backends.onnxruntime:OnnxRuntimeBackend",
    "openvino": "eengines.backends.openvino:OpenVinoBackend",
    "reference": "eengines.backends.reference:ReferenceBackend",
}
"""Name → `module:class`."""


def load_backend(name: str) -> Backend:
    """Return the backend called `name`.

    Raises:
        UserError: no backend has that name.
        EngineError: its library is missing.
    """
    if name not in BACKENDS:
        raise UserError("--engine", f"got {name!r}, known are {', '.join(BACKENDS)}", "Choose one of these")
    module, _, attribute = BACKENDS[name].partition(":")
    backend = cast("Backend", getattr(import_module(module), attribute)())
    capability = backend.probe()
    if not capability.ok:
        raise EngineError(f"engine {name}", capability.reason, "Install what is named, or choose another with --engine")
    return backend
