"""Those who take turns on the same batches: the chain, the whole network, and the chain with exits off."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array
from eerun.bundle import Manifest
from eerun.configuration import Configuration
from eerun.costs import CostTable, cheapest_covers
from eerun.executor import ChainExecutor, LoadedChain, Step, load_chain
from eerun.inputs import check_inputs
from eerun.model import Model

__all__ = ["Answer", "Contestant", "Contestants", "WholeNetwork"]


class Answer(NamedTuple):
    """What a contestant says to one batch.

    Attributes:
        labels: `[samples] int64`.
        exit_index: `[samples] int32`, or None for a network without exits.
        steps: what each segment did, for each part of the batch; empty for a network without exits.
    """

    labels: NDArray[np.int64]
    exit_index: NDArray[np.int32] | None
    steps: tuple[tuple[Step, ...], ...]


Contestant = Callable[[Mapping[str, Array]], Answer]


class WholeNetwork:
    """The network without exit heads, on bound buffers like the chain: same input check, same copies in and out."""

    def __init__(self, manifest: Manifest, loaded: LoadedChain, costs: CostTable) -> None:
        self._entries = manifest.inputs
        self._loaded = loaded
        self._covers = cheapest_covers(costs.buckets, costs.whole_ms)
        self._max_batch = costs.max_batch
        loaded.allocate(max(cover.rows for cover in self._covers))
        self._output = loaded.buffer(manifest.whole_output)
        self._inputs = {spec.name: loaded.buffer(spec.name) for spec in loaded.chain.inputs}

    def warm_up(self) -> None:
        """Open every session that a batch may need, and run it once."""
        for piece in {piece for cover in self._covers for piece in cover.pieces}:
            self._loaded.session(0, piece).run()

    def infer(self, x: Mapping[str, Array]) -> NDArray[np.float32]:
        """Return logits `[samples, classes] float32`, which the caller owns."""
        arrays = check_inputs(x, self._entries)
        count = len(next(iter(arrays.values())))
        outputs = np.empty((count, self._output.shape[1]), np.float32)
        for start in range(0, count, self._max_batch):
            rows = min(self._max_batch, count - start)
            for name, buffer in self._inputs.items():
                buffer[:rows] = arrays[name][start : start + rows]
            for piece in self._covers[rows].pieces:
                self._loaded.session(0, piece).run()
            outputs[start : start + rows] = self._output[:rows]
        return outputs


class Contestants:
    """All that is measured in one run, on one engine with one set of threads.

    Attributes:
        model: the bundle, ready to answer.
        chain: its segments; they share buffers with `model`.
        whole: the whole network, as a chain of one segment.
        policy: name of the exit policy.

    Raises:
        BundleError: a file is damaged, or the segments do not fit together.
        EngineError: the backend refuses a graph.
    """

    def __init__(self, way: Configuration, *, threads: int) -> None:
        manifest, costs, policy = way.bundle.manifest, way.costs(), way.policy()
        self.policy = policy.policy
        self.chain = load_chain(way.chain(), way.backend, threads=threads)
        self.whole = load_chain(way.whole(), way.backend, threads=threads)
        executor = ChainExecutor(self.chain, costs)
        executor.warm_up()

        def model(thresholds: Sequence[float | None]) -> Model:
            return Model(
                manifest=manifest,
                engine=way.backend.name,
                precision=way.entry.precision,
                executor=executor,
                costs=costs,
                thresholds=thresholds,
            )

        self.model = model(policy.thresholds)
        self._undecided = model((float("inf"),) * len(policy.thresholds))
        self._whole_network = WholeNetwork(manifest, self.whole, costs)
        self._whole_network.warm_up()

    def with_exits(self, x: Mapping[str, Array]) -> Answer:
        """The chain as services use it."""
        result = self.model.infer(x)
        return Answer(result.labels, result.exit_index, result.steps)

    def without_exits(self, x: Mapping[str, Array]) -> Answer:
        """The chain when everybody is asked at every exit and nobody leaves early."""
        result = self._undecided.infer(x)
        return Answer(result.labels, result.exit_index, result.steps)

    def whole_network(self, x: Mapping[str, Array]) -> Answer:
        """The network without exit heads."""
        return Answer(self._whole_network.infer(x).argmax(axis=1), None, ())
