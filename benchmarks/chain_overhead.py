"""What cutting costs: the chain with exits off against the whole graph with the same exit heads, in turns."""

from collections.abc import Callable, Mapping
from time import perf_counter_ns
from typing import Any

import numpy as np

from benchmarks.whole_with_heads import whole_with_heads
from eengines.backends import load_backend
from eengines.tensors import Array
from eengines.threads import default_threads
from eerun.bench.statistics import PairedRatio, paired_ratio
from eerun.bench.turns import block_batches
from eerun.bundle import Bundle
from eerun.choose_configuration import usable_configurations
from eerun.configuration import Configuration
from eerun.costs import Piece
from eerun.executor import Answers, Chain, ChainExecutor, ChainSegment, load_chain

__all__ = ["chain_overhead", "chain_overheads"]

WARM_UP_TURNS = 2
LEAST_TURNS = 10


def chain_overheads(
    bundle: Bundle, inputs: Mapping[str, Array], *, batch: int, seconds: float, seed: int
) -> dict[str, PairedRatio]:
    """Return the figure of `chain_overhead` for every configuration that runs here, by name."""
    return {
        way.name: chain_overhead(way, inputs, batch=batch, seconds=seconds, seed=seed)
        for way in usable_configurations(bundle).configurations
    }


def chain_overhead(
    way: Configuration, inputs: Mapping[str, Array], *, batch: int, seconds: float, seed: int
) -> PairedRatio:
    """Return time of the chain over time of the whole graph, exit heads in both, decisions and answers in the chain.

    As in a bench run, a turn is one untimed call and then as many as make a pair.

    Args:
        way: engine and precision of both.
        inputs: samples `[batch or more, ...]` by input name.
        batch: samples a batch; one of the bundle's buckets.
        seconds: how long to measure.
        seed: seed of the bootstrap.
    """
    samples = {name: array[:batch] for name, array in inputs.items()}
    runs = {"chain": _chain(way, samples, batch), "whole": _whole(way, samples, batch)}
    times: dict[str, list[int]] = {name: [] for name in runs}
    started, turn, calls = perf_counter_ns(), 0, block_batches(batch)
    while turn < LEAST_TURNS or perf_counter_ns() - started < seconds * 1e9:
        for name in sorted(runs, reverse=bool(turn % 2)):
            runs[name]()
            for _ in range(calls):
                before = perf_counter_ns()
                runs[name]()
                times[name].append(perf_counter_ns() - before)
        turn += 1
    chain_ns, whole_ns = (np.array(times[name][WARM_UP_TURNS * calls :], np.float64) for name in ("chain", "whole"))
    return paired_ratio(chain_ns, whole_ns, batch=batch, seed=seed)


def _chain(way: Configuration, samples: Mapping[str, Array], batch: int) -> Callable[[], object]:
    """The chain when everybody is asked at every exit and nobody leaves early."""
    executor = ChainExecutor(load_chain(way.chain(), load_backend(way.engine), threads=default_threads()), way.costs())
    executor.warm_up()
    answers = _answers(batch, executor.classes)
    off = (float("inf"),) * (executor.segments - 1)
    return lambda: executor.infer(samples, off, answers)


def _whole(way: Configuration, samples: Mapping[str, Array], batch: int) -> Callable[[], object]:
    """The whole graph with heads, on bound buffers; inputs and all heads are copied, as a user would."""
    chain = way.chain()
    heads = [name for segment in chain.segments for name in (segment.logits, segment.score)]
    graph = whole_with_heads([segment.graph for segment in chain.segments], heads)
    last = chain.segments[-1].logits
    segment = ChainSegment(graph=graph, logits=last, score=last)
    loaded = load_chain(
        Chain(inputs=chain.inputs, segments=(segment,)), load_backend(way.engine), threads=default_threads()
    )
    loaded.allocate(batch)
    run = loaded.session(0, Piece(offset=0, bucket=batch)).run

    def answer() -> dict[str, Array]:
        for name, array in samples.items():
            loaded.buffer(name)[:] = array
        run()
        return {name: loaded.buffer(name).copy() for name in heads}

    return answer


def _answers(batch: int, classes: int) -> Any:
    return Answers(
        outputs=np.empty((batch, classes), np.float32),
        exit_index=np.empty(batch, np.int32),
        confidence=np.empty(batch, np.float32),
    )
