"""Those who take turns on the same batches; here the chain, with exits and with exits off."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array
from eerun.configuration import Configuration
from eerun.executor import Executor, LengthExecutor, Step
from eerun.folding import Grouping
from eerun.model import Model
from eerun.open_grouped import open_grouped, regrouped

__all__ = ["Answer", "ChainContestants", "Contestant"]


class Answer(NamedTuple):
    """What a contestant says to one batch.

    Attributes:
        labels: `[samples] int64`, or `[samples, height, width]`.
        exit_index: `[samples] int32`, or None for a network without exits.
        steps: what each segment did, for each part of the batch; empty for a network without exits.
    """

    labels: NDArray[np.int64]
    exit_index: NDArray[np.int32] | None
    steps: tuple[tuple[Step, ...], ...]


class Contestant(NamedTuple):
    """Someone who answers batches.

    Attributes:
        engine: name of the backend, whose threads must rest when another's run.
        answer: from raw inputs `[samples, ...]` by name to the answer.
    """

    engine: str
    answer: Callable[[Mapping[str, Array]], Answer]


class ChainContestants:
    """The chain with its exits, and the same chain with exits off.

    Attributes:
        way: its engine and precision.
        model: the bundle, ready to answer.
        executor: runs its segments; images of a folded network in the grouping that was asked for.
        policy: name of the exit policy.

    Raises:
        BundleError: a file is damaged, or the segments do not fit together.
        EngineError: the backend refuses a graph.
    """

    def __init__(self, way: Configuration, *, threads: int, grouping: Grouping = Grouping.ARRIVAL) -> None:
        costs, policy = way.costs(), way.policy()
        self.way = way
        self.policy = policy.policy
        executor = open_grouped(way, grouping, threads=threads)
        self.executor = executor

        def model(
            thresholds: Sequence[float | None], executor: Executor = executor, grouping: Grouping = grouping
        ) -> Model:
            return Model(
                manifest=way.bundle.manifest,
                engine=way.engine,
                precision=way.entry.precision,
                executor=executor,
                costs=costs,
                thresholds=thresholds,
                grouping=grouping,
            )

        self.model = model(policy.thresholds)
        self._undecided = model((float("inf"),) * len(policy.thresholds))
        self._padded = None
        if isinstance(executor, LengthExecutor):
            self._padded = model(policy.thresholds, executor.padded())
        other = regrouped(executor, way.bundle)
        self._regrouped = None if other is None else model(policy.thresholds, *other)

    def with_exits(self, x: Mapping[str, Array]) -> Answer:
        """The chain as services use it."""
        result = self.model.infer(x)
        return Answer(result.labels, result.exit_index, result.steps)

    @property
    def padded(self) -> Callable[[Mapping[str, Array]], Answer] | None:
        """The chain with every sample padded to the greatest length; None: the network has no sequence axis."""
        return _answers_of(self._padded)

    @property
    def regrouped(self) -> Callable[[Mapping[str, Array]], Answer] | None:
        """The chain with the other grouping; None: it is not folded, or nothing predicts which images are easy."""
        return _answers_of(self._regrouped)

    def without_exits(self, x: Mapping[str, Array]) -> Answer:
        """The chain when everybody is asked at every exit and nobody leaves early."""
        result = self._undecided.infer(x)
        return Answer(result.labels, result.exit_index, result.steps)


def _answers_of(model: Model | None) -> Callable[[Mapping[str, Array]], Answer] | None:
    """How a model answers batches; None: there is none."""
    if model is None:
        return None

    def answer(x: Mapping[str, Array]) -> Answer:
        result = model.infer(x)
        return Answer(result.labels, result.exit_index, result.steps)

    return answer
