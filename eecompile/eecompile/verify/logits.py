"""What a chain and a whole network answer."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from eengines.tensors import Array
from eengines.threads import default_threads
from eerun.configuration import Configuration

__all__ = ["Logits", "run"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Logits:
    """Of one configuration.

    Attributes:
        chain: `[samples, exits, classes] float32`, nobody leaves.
        whole: `[samples, classes] float32`, of the network without exit heads.
    """

    chain: Array
    whole: Array


def run(way: Configuration, inputs: Mapping[str, Array]) -> Logits:
    """Run both on all samples.

    Raises:
        EngineError: the engine refuses a graph.
        BundleError: the graphs do not fit together.
    """
    executor, count = way.open_chain(threads=default_threads()), len(next(iter(inputs.values())))
    parts = [
        executor.record({name: array[start : start + executor.max_batch] for name, array in inputs.items()})[0]
        for start in range(0, count, executor.max_batch)
    ]
    return Logits(chain=np.concatenate(parts), whole=way.open_whole(threads=default_threads()).infer(inputs))
