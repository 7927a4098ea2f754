"""What a chain and a whole network answer."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from eengines.tensors import Array
from eengines.threads import default_threads
from eerun.configuration import Configuration
from eerun.costs import CostTable
from eerun.executor import Chain, ChainExecutor, load_chain

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
    costs = way.costs()
    chain, whole = _record(way.chain(), way, costs, inputs), _record(way.whole(), way, costs.of_whole(), inputs)
    return Logits(chain=chain, whole=whole[:, 0])


def _record(chain: Chain, way: Configuration, costs: CostTable, inputs: Mapping[str, Array]) -> Array:
    """Logits `[samples, exits, classes]`."""
    executor = ChainExecutor(load_chain(chain, way.backend, threads=default_threads()), costs)
    count, size = len(next(iter(inputs.values()))), executor.max_batch
    parts = [
        executor.record({name: array[start : start + size] for name, array in inputs.items()})[0]
        for start in range(0, count, size)
    ]
    return np.concatenate(parts)
