"""The table of backends: one file each, chosen by name."""

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from eengines.engine import Backend
from eengines.errors import EngineError, UserError

__all__ = ["BACKENDS", "load_backend"]

BACKENDS: Mapping[str, str] = {
    "onnxruntime": "eengines.backends.onnxruntime:OnnxRuntimeBackend",
    "reference": "eengines.backends.reference:ReferenceBackend",
}
"""Name → `module:class`. The first that can be used here is the default."""


def load_backend(name: str) -> Backend:
    """Return the backend called `name`; `auto` is the first of the table that can be used here.

    Raises:
        UserError: no backend has that name.
        EngineError: its library is missing.
    """
    if name != "auto" and name not in BACKENDS:
        raise UserError("--engine", f"got {name!r}, known are auto, {', '.join(BACKENDS)}", "Choose one of these")
    reasons = []
    for candidate in BACKENDS if name == "auto" else [name]:
        module, _, attribute = BACKENDS[candidate].partition(":")
        backend = cast("Backend", getattr(import_module(module), attribute)())
        capability = backend.probe()
        if capability.ok:
            return backend
        reasons.append(f"{candidate}: {capability.reason}")
    raise EngineError("engine", "; ".join(reasons), "Install what is named, or choose another with --engine")
