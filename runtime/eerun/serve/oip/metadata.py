"""What clients may ask of the server and of its models."""

import importlib.metadata
from typing import Any

from eerun.bundle.manifest import InputEntry
from eerun.serve.oip.datatypes import datatype_of
from eerun.serve.repository import Served

__all__ = ["EXTENSIONS", "OUTPUT_DATATYPES", "PLATFORM", "model_metadata", "server_metadata"]

PLATFORM = "eecompile_ee"
EXTENSIONS = ("binary_tensor_data", "model_repository", "model_configuration", "parameters", "statistics")
"""Triton's extensions of the protocol that are here."""
OUTPUT_DATATYPES = {"logits": "FP32", "label": "INT64", "exit_index": "INT32", "exit_confidence": "FP32"}


def server_metadata() -> dict[str, Any]:
    """Return name, version and extensions of the server."""
    return {"name": "eerun", "version": importlib.metadata.version("eecompile"), "extensions": list(EXTENSIONS)}


def model_metadata(served: Served) -> dict[str, Any]:
    """Return inputs and outputs of a model; -1 stands for any size."""
    shapes = output_shapes(served)
    return {
        "name": served.name,
        "versions": [served.version],
        "platform": PLATFORM,
        "inputs": [
            {"name": entry.name, "datatype": datatype_of(entry.dtype), "shape": [-1, *_sizes(entry)]}
            for entry in served.model.manifest.inputs
        ],
        "outputs": [
            {"name": name, "datatype": datatype, "shape": [-1, *shapes[name]]}
            for name, datatype in OUTPUT_DATATYPES.items()
        ],
    }


def output_shapes(served: Served) -> dict[str, tuple[int, ...]]:
    """Return the shape of each output of one sample."""
    logits = served.model.output_shape
    return {"logits": logits, "label": logits[1:], "exit_index": (), "exit_confidence": ()}


def _sizes(entry: InputEntry) -> list[int]:
    return [-1 if axis == entry.sequence else size for axis, size in enumerate(entry.shape)]
