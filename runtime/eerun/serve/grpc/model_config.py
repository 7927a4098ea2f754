"""A model as Triton's configuration: what load generators such as perf_analyzer ask for."""

from typing import Any

from eerun.serve.grpc.messages import message
from eerun.serve.oip.metadata import PLATFORM, model_metadata
from eerun.serve.repository import Served

__all__ = ["model_config"]

_Config = message("ModelConfig")


def model_config(served: Served) -> Any:
    """Return a `ModelConfig`; sizes are without the batch axis."""
    metadata = model_metadata(served)
    config = _Config(name=served.name, platform=PLATFORM, backend=PLATFORM, max_batch_size=served.model.max_batch)
    for side, target in (("inputs", config.input), ("outputs", config.output)):
        for tensor in metadata[side]:
            kind = f"TYPE_{tensor['datatype']}"
            target.add(name=tensor["name"], data_type=kind, dims=tensor["shape"][1:])
    config.dynamic_batching.SetInParent()
    return config
