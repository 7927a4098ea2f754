"""The network without exit heads, as a model: chosen among the configurations, and opened as a chain of one segment."""

import threading
from collections.abc import Mapping, Sequence
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eengines.device import DeviceView
from eengines.tensors import Array
from eerun.bundle import Bundle
from eerun.choose_configuration import AUTO, choose_configuration, usable_configurations
from eerun.configuration import Configuration, HostConfiguration
from eerun.device_settings import DeviceSettings
from eerun.executor import Answers, Cell, Executor, HostExecutor, LengthExecutor, Run, Step, WholeExecutor
from eerun.executor.host import on_host
from eerun.executor.whole_confidence import write_whole_confidence
from eerun.folding import GroupExit, rows_of

__all__ = ["WHOLE_EXITS", "WholeOnDevice", "choose_whole", "open_whole"]

WHOLE_EXITS = ("whole",)
"""Names of the exits of a network without any."""


def choose_whole(
    bundle: Bundle, *, engine: str, precision: str, device: DeviceSettings, max_batch: int | None
) -> Configuration:
    """Return the configuration whose network without exit heads is the fastest at the largest batch, as measured.

    Args:
        bundle: an opened bundle.
        engine: name of a backend, or `auto`.
        precision: of the graphs, or `auto`.
        device: which GPU, and how.
        max_batch: the largest number of samples that run together; None: that of each configuration.

    Raises:
        UserError, EngineError: as `choose_configuration`.
    """
    named = choose_configuration(bundle, engine=engine, precision=precision, device=device)
    fitting = [
        way
        for way in usable_configurations(bundle, device).configurations
        if engine in (AUTO, way.engine) and precision in (AUTO, way.entry.precision)
    ]
    return min(fitting, key=lambda way: _sample_ms(way, max_batch), default=named)


def _sample_ms(way: Configuration, max_batch: int | None) -> float:
    """Measured milliseconds a sample at the largest batch."""
    costs, fold = way.costs().of_whole(), way.bundle.manifest.images_a_row
    rows = costs.max_batch if max_batch is None else min(rows_of(max_batch, fold), costs.max_batch)
    return costs.run_ms(0, rows) / (rows * fold)


def open_whole(way: Configuration, *, threads: int | None) -> Executor:
    """Make the network without exit heads ready to run: its exit is its end, its confidence a probability."""
    if not isinstance(way, HostConfiguration):
        return WholeOnDevice(way.open_whole(threads=threads), way)
    tables = way.length_costs()
    if not tables:
        return HostExecutor(way.load(way.whole(), threads=threads), way.costs().of_whole())
    executors = {
        length: HostExecutor(way.load(way.whole(length), threads=threads, length=length), costs.of_whole())
        for length, costs in tables.items()
    }
    return LengthExecutor(executors, way.bundle.manifest.inputs)


class WholeOnDevice:
    """See `Executor`: the network without exit heads on a device. Calls take turns.

    Args:
        whole: runs it.
        way: its configuration.
    """

    segments, group_exit = 1, GroupExit.ALL

    def __init__(self, whole: WholeExecutor, way: Configuration) -> None:
        self._whole = whole
        manifest, costs = way.bundle.manifest, way.costs()
        self.fold = manifest.images_a_row
        self.max_batch = self.fold * costs.max_batch
        self._lock = threading.Lock()
        specs = (entry.spec for entry in manifest.inputs)
        sample = {spec.name: np.zeros((1, *spec.shape), spec.dtype) for spec in specs}
        self.output_shape = tuple(whole.infer(sample).shape[1:])
        self.classes = self.output_shape[0]

    def infer(
        self, inputs: Mapping[str, Array | DeviceView], thresholds: Sequence[float | None], answers: Answers
    ) -> tuple[tuple[Step, ...], ...]:
        """See `Executor.infer`; there are no thresholds."""
        del thresholds
        started, count = perf_counter_ns(), len(answers.exit_index)
        with self._lock:
            answers.outputs[:] = self._whole.infer(on_host(inputs))
        ended, rows = perf_counter_ns(), rows_of(count, self.fold)
        answers.exit_index[:] = 0
        write_whole_confidence(answers.outputs, answers.confidence, fold=1)
        now = perf_counter_ns()
        answered = None if self.fold == 1 else count
        step = Step(0, rows, rows, rows, ended - started, now - ended, now - started, answered=answered)
        return ((step,),)

    def record(self, inputs: Mapping[str, Array]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See `Executor.record`."""
        with self._lock:
            logits = self._whole.infer(inputs)
        scores = np.empty(len(logits), np.float32)
        write_whole_confidence(logits, scores, fold=1)
        return logits[:, None], scores[:, None]

    def view(self, array: Any) -> DeviceView | None:  # noqa: ARG002 - samples come from the host
        """See `Executor.view`: None, samples are copied from the host."""
        return None

    def runs(self, buckets: Sequence[int]) -> Mapping[Cell, Run]:
        """See `Executor.runs`."""
        return {(0, bucket): self._whole.run(bucket) for bucket in buckets}
