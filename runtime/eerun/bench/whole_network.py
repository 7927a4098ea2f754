"""A baseline: the network without exit heads, in one configuration of the bundle."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array
from eerun.bench.contestants import Answer
from eerun.configuration import Configuration
from eerun.costs import cheapest_covers
from eerun.executor import load_chain
from eerun.inputs import check_inputs

__all__ = ["WholeNetwork"]


class WholeNetwork:
    """The network without exit heads, on bound buffers like the chain: same input check, same copies in and out.

    Attributes:
        way: its engine and precision.
        loaded: its graph, as a chain of one segment.

    Raises:
        BundleError: its file is damaged.
        EngineError: the backend refuses the graph.
    """

    def __init__(self, way: Configuration, *, threads: int) -> None:
        manifest, costs = way.bundle.manifest, way.costs()
        self.way = way
        self.loaded = load_chain(way.whole(), way.backend, threads=threads)
        self.max_batch = costs.max_batch
        self._entries = manifest.inputs
        self._covers = cheapest_covers(costs.buckets, costs.whole_ms)
        self.loaded.allocate(max(cover.rows for cover in self._covers))
        self._output = self.loaded.buffer(manifest.whole_output)
        self._inputs = {spec.name: self.loaded.buffer(spec.name) for spec in self.loaded.chain.inputs}

    def warm_up(self, batch: int) -> None:
        """Open every session that a batch of `batch` samples needs, and run it once."""
        parts = {min(batch, self.max_batch), batch % self.max_batch}
        for piece in {piece for rows in parts for piece in self._covers[rows].pieces}:
            self.loaded.session(0, piece).run()

    def infer(self, x: Mapping[str, Array]) -> NDArray[np.float32]:
        """Return logits `[samples, classes] float32`, which the caller owns."""
        arrays = check_inputs(x, self._entries)
        count = len(next(iter(arrays.values())))
        outputs = np.empty((count, self._output.shape[1]), np.float32)
        for start in range(0, count, self.max_batch):
            rows = min(self.max_batch, count - start)
            for name, buffer in self._inputs.items():
                buffer[:rows] = arrays[name][start : start + rows]
            for piece in self._covers[rows].pieces:
                self.loaded.session(0, piece).run()
            outputs[start : start + rows] = self._output[:rows]
        return outputs

    def answer(self, x: Mapping[str, Array]) -> Answer:
        """Answer one batch."""
        return Answer(self.infer(x).argmax(axis=1), None, ())
