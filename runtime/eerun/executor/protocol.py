"""What services, bench and calibration see of an executor, on the host or on a device."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from eengines.device import DeviceView
from eengines.tensors import Array
from eerun.executor.executor import Answers, Step
from eerun.folding import GroupExit

__all__ = ["Cell", "Executor", "Run", "WholeExecutor"]

Cell = tuple[int, int]
"""Segment and bucket; the head of exit `k`, where it is a graph of its own, is segment `-1 - k`."""

Run = Callable[[], None]
"""Runs something once, and returns when it is done."""


class Executor(Protocol):
    """Runs samples through a chain. Any thread may call it."""

    @property
    def classes(self) -> int:
        """Number of classes."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one sample's logits: `(classes,)`, or of dense answers `(classes, height, width)`."""

    @property
    def segments(self) -> int:
        """Number of segments."""

    @property
    def max_batch(self) -> int:
        """The largest number of samples that run together."""

    @property
    def fold(self) -> int:
        """Images a row of a folded network; 1: it is not folded."""

    @property
    def group_exit(self) -> GroupExit:
        """When a group of images leaves, where the network is folded."""

    def infer(
        self, inputs: Mapping[str, Array | DeviceView], thresholds: Sequence[float | None], answers: Answers
    ) -> tuple[tuple[Step, ...], ...]:
        """Answer samples; more than `max_batch` run in parts.

        Args:
            inputs: arrays `[samples, ...]` in the dtype and shape that the chain declares, or views of such that
                `view` returned.
            thresholds: one for each exit but the last; None: nobody leaves there.
            answers: arrays `[samples, ...]` to fill.

        Returns:
            For each part, what each segment did.

        Raises:
            EngineError: the engine failed.
        """

    def record(self, inputs: Mapping[str, Array]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run at most `max_batch` samples with exits off, and return what every exit says.

        Returns:
            logits `[samples, exits, *output_shape] float32` and scores `[samples, exits] float32`, which the caller
            owns.
        """

    def view(self, array: Any) -> DeviceView | None:
        """Take an array that lies where the chain runs, if that is not the host, without a copy; None: it does not."""

    def runs(self, buckets: Sequence[int]) -> Mapping[Cell, Run]:
        """Every segment, and every head of its own, at every bucket by itself, on whatever its buffers hold.

        One at a time.
        """


class WholeExecutor(Protocol):
    """Runs the network without exit heads."""

    def infer(self, inputs: Mapping[str, Array]) -> NDArray[np.float32]:
        """Return logits `[samples, *output shape] float32` of any number of samples; the caller owns them."""

    def warm_up(self, batch: int) -> None:
        """Run once whatever a batch of `batch` samples needs."""

    def run(self, bucket: int) -> Run:
        """One bucket by itself, on whatever its buffers hold."""
