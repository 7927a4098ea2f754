"""A model as Triton's configuration extension describes it."""

from typing import Any

from eerun.serve.oip.metadata import PLATFORM, model_metadata
from eerun.serve.repository import Served

__all__ = ["model_configuration"]


def model_configuration(served: Served) -> dict[str, Any]:
    """Return name, inputs, outputs and batching of a model; shapes without the batch axis.

    Fields and values are those of Triton's `ModelConfig`; every transport tells these.
    """
    metadata = model_metadata(served)
    return {
        "name": served.name,
        "platform": PLATFORM,
        "backend": "eerun",
        "max_batch_size": served.model.max_batch,
        "input": [_tensor(tensor) for tensor in metadata["inputs"]],
        "output": [_tensor(tensor) for tensor in metadata["outputs"]],
        "dynamic_batching": {},
    }


def _tensor(tensor: dict[str, Any]) -> dict[str, Any]:
    """A tensor of the metadata in the words of the configuration; a tensor of one number a sample has dims [1]."""
    return {
        "name": tensor["name"],
        "data_type": f"TYPE_{tensor['datatype']}",
        "dims": tensor["shape"][1:] or [1],
        **({} if tensor["shape"][1:] else {"reshape": {"shape": []}}),
    }
