"""What a chain and a whole network answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from eecompile.tune.own_logits import with_own_logits
from eengines.tensors import Array
from eengines.threads import default_threads
from eerun.configuration import Configuration
from eerun.executor import Executor

__all__ = ["Logits", "run"]


LOGITS_BYTES = 1 << 28
"""Of the chain's logits: fewer samples are compared where all of them would take more."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Logits:
    """Of one configuration.

    Attributes:
        chain: `[samples, exits, *output_shape] float32`, nobody leaves; of an exit that answers with the state of its
            policy its own logits.
        whole: `[samples, *output_shape] float32`, of the network without exit heads.
    """

    chain: Array
    whole: Array


def run(way: Configuration, inputs: Mapping[str, Array]) -> Logits:
    """Run both on all samples, or as many as `LOGITS_BYTES` allow.

    Raises:
        EngineError: the engine refuses a graph.
        BundleError: the graphs do not fit together.
        BuildError: exits answer with the state of their policy, and their own logits cannot be had.
    """
    executor = way.open_chain(threads=default_threads())
    most = max(1, LOGITS_BYTES // (4 * executor.segments * prod(executor.output_shape)))
    inputs = {name: array[:most] for name, array in inputs.items()}
    chain, own = _record(executor, inputs), with_own_logits(way)
    if own is not way:
        chain[:, :-1] = _record(own.open_chain(threads=default_threads()), inputs)[:, :-1]
    return Logits(chain=chain, whole=way.open_whole(threads=default_threads()).infer(inputs))


def _record(executor: Executor, inputs: Mapping[str, Array]) -> Array:
    """What every exit says to all samples."""
    count = len(next(iter(inputs.values())))
    parts = [
        executor.record({name: array[start : start + executor.max_batch] for name, array in inputs.items()})[0]
        for start in range(0, count, executor.max_batch)
    ]
    return np.concatenate(parts)
