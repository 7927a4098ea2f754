"""What a chain and a whole network answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from eengines.tensors import Array
from eengines.threads import default_threads
from eerun.configuration import Configuration

__all__ = ["Logits", "run"]


LOGITS_BYTES = 1 << 28
"""Of the chain's logits: fewer samples are compared where all of them would take more."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Logits:
    """Of one configuration.

    Attributes:
        chain: `[samples, exits, *output_shape] float32`, nobody leaves.
        whole: `[samples, *output_shape] float32`, of the network without exit heads.
    """

    chain: Array
    whole: Array


def run(way: Configuration, inputs: Mapping[str, Array]) -> Logits:
    """Run both on all samples, or as many as `LOGITS_BYTES` allow.

    Raises:
        EngineError: the engine refuses a graph.
        BundleError: the graphs do not fit together.
    """
    executor = way.open_chain(threads=default_threads())
    most = max(1, LOGITS_BYTES // (4 * executor.segments * prod(executor.output_shape)))
    inputs = {name: array[:most] for name, array in inputs.items()}
    count = len(next(iter(inputs.values())))
    parts = [
        executor.record({name: array[start : start + executor.max_batch] for name, array in inputs.items()})[0]
        for start in range(0, count, executor.max_batch)
    ]
    return Logits(chain=np.concatenate(parts), whole=way.open_whole(threads=default_threads()).infer(inputs))
