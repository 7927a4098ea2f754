"""What cutting costs: the chain with exits off against the whole graph with the same exit heads, in turns."""

from time import perf_counter_ns
from typing import Any

import numpy as np
import onnx_ir as ir

from eecompile.build.prepare import Prepared
from eengines.backends import load_backend
from eengines.threads import default_threads
from eerun.bench.statistics import PairedRatio, paired_ratio
from eerun.bundle import Bundle
from eerun.costs import Piece
from eerun.executor import Answers, Chain, ChainExecutor, ChainSegment, load_chain
from eerun.model import chain_of

__all__ = ["chain_overhead"]

WARM_UP = 5


def chain_overhead(bundle: Bundle, prepared: Prepared, *, batch: int, seconds: float, seed: int) -> PairedRatio:
    """Return time of the chain over time of the whole graph, exit heads in both, decisions and answers in the chain.

    Args:
        bundle: the built bundle.
        prepared: the same network, not cut.
        batch: samples a batch; one of the bundle's buckets.
        seconds: how long to measure.
        seed: seed of the bootstrap.
    """
    backend, threads = load_backend("onnxruntime"), default_threads()
    chain = chain_of(bundle)
    executor = ChainExecutor(load_chain(chain, backend, threads=threads), bundle.costs())
    graph = ir.to_proto(prepared.model).SerializeToString()
    last = prepared.model.graph.outputs[-1].name or ""
    segment = ChainSegment(graph=graph, logits=last, score=last)
    whole = load_chain(Chain(inputs=chain.inputs, segments=(segment,)), backend, threads=threads)
    whole.allocate(batch)
    run_whole = whole.session(0, Piece(offset=0, bucket=batch)).run
    samples = {name: array[:batch] for name, array in prepared.samples.items()}
    answers = _answers(batch, executor.classes)
    off = (float("inf"),) * (executor.segments - 1)
    times: dict[str, list[int]] = {"chain": [], "whole": []}
    started = perf_counter_ns()
    while perf_counter_ns() - started < seconds * 1e9:
        before = perf_counter_ns()
        executor.infer(samples, off, answers)
        between = perf_counter_ns()
        for name, array in samples.items():
            whole.buffer(name)[:] = array
        run_whole()
        outputs = {value.name: whole.buffer(value.name or "").copy() for value in prepared.model.graph.outputs}
        times["whole"].append(perf_counter_ns() - between)
        times["chain"].append(between - before)
        assert len(outputs) == executor.segments
    chain_ns, whole_ns = (np.array(times[name][WARM_UP:], np.float64) for name in ("chain", "whole"))
    return paired_ratio(chain_ns, whole_ns, batch=batch, seed=seed)


def _answers(batch: int, classes: int) -> Any:
    return Answers(
        outputs=np.empty((batch, classes), np.float32),
        exit_index=np.empty(batch, np.int32),
        confidence=np.empty(batch, np.float32),
    )
