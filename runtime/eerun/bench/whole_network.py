"""A baseline: the network without exit heads, in one configuration of the bundle."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array
from eerun.bench.contestants import Answer
from eerun.configuration import Configuration
from eerun.executor import LengthWhole, Run, WholeExecutor
from eerun.inputs import check_inputs

__all__ = ["WholeNetwork"]


class WholeNetwork:
    """The network without exit heads, on bound buffers like the chain: same input check, same copies in and out.

    Attributes:
        way: its engine and precision.
        executor: runs it.

    Raises:
        BundleError: its file is damaged.
        EngineError: the backend refuses the graph.
    """

    def __init__(self, way: Configuration, *, threads: int) -> None:
        self.way = way
        self._entries = way.bundle.manifest.inputs
        self.executor = way.open_whole(threads=threads)

    def warm_up(self, batch: int) -> None:
        """Run once whatever a batch of `batch` samples needs."""
        self.executor.warm_up(batch)

    def run(self, bucket: int) -> Run:
        """One bucket by itself, on whatever its buffers hold."""
        return self.executor.run(bucket)

    def infer(self, x: Mapping[str, Array]) -> NDArray[np.float32]:
        """Return logits `[samples, classes, ...] float32`, which the caller owns."""
        return self.executor.infer(check_inputs(x, self._entries))

    def answer(self, x: Mapping[str, Array]) -> Answer:
        """Answer one batch."""
        return Answer(self.infer(x).argmax(axis=1), None, ())

    @property
    def padded(self) -> Callable[[Mapping[str, Array]], Answer] | None:
        """The same with every sample padded to the greatest length; None: the network has no sequence axis."""
        if not isinstance(self.executor, LengthWhole):
            return None
        padded: WholeExecutor = self.executor.padded()

        def answer(x: Mapping[str, Array]) -> Answer:
            return Answer(padded.infer(check_inputs(x, self._entries)).argmax(axis=1), None, ())

        return answer
