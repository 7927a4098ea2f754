"""How long every head, and the trunk between taps, take in an engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from eecompile.build.settings import default_buckets
from eecompile.compose.head_graphs import HeadLayer, chains_of, export_heads, idle_graph, layers_of, split_layer
from eecompile.compose.settings import ComposeSettings
from eecompile.compose.subject import Subject
from eecompile.stages import Stages
from eengines.backends import load_backend
from eengines.engine import Backend
from eengines.errors import EngineError
from eengines.tensors import Array, TensorSpec
from eengines.threads import threads_or_default
from eerun.costs import CostTable
from eerun.executor import Chain, ChainSegment, load_chain
from eerun.measure_costs import MeterSettings, measure_costs
from eerun.measure_costs import Subject as Measured

__all__ = ["HeadTimes", "measure_heads"]

RACED = ("onnxruntime", "openvino")
"""Engines that `auto` chooses from."""

RACE_SECONDS = 0.5

SAMPLES = 64


@dataclass(frozen=True, kw_only=True)
class HeadTimes:
    """Measured times.

    Attributes:
        trunk: of the network without heads, cut behind each tap.
        head_ms: `[head][bucket]` milliseconds that a head adds to its segment.
    """

    trunk: CostTable
    head_ms: tuple[tuple[float, ...], ...]


def measure_heads(subject: Subject, settings: ComposeSettings, stages: Stages) -> HeadTimes:
    """Measure all heads, in turns.

    A head runs as a graph of its own. In a bundle it is part of a segment, so what it takes to start a graph is
    subtracted; that is measured beside it.

    Raises:
        EngineError: there is no such engine here, it lacks the precision, or refuses a graph.
        IngestError: the network does not export.
        SplitError: it cannot be cut behind its taps.
        BuildError: a head cannot be taken apart.
    """
    backends = _backends(settings, stages)
    samples = subject.splits["tune"].inputs
    with stages.stage("export all heads, cut behind each tap"):
        model = export_heads(subject, samples)
        layers = [split_layer(model, subject.attachment, layer, samples) for layer in layers_of(subject.attachment)]
    few = {name: array[:SAMPLES] for name, array in samples.items()}
    threads = threads_or_default(settings.threads)
    with stages.stage("measure heads, in turns"):
        engine = _fastest(backends, layers[0], subject, few, settings, stages)
        backend = backends[engine]
        measured = [
            _measured(chains_of(layer, subject, engine=engine, precision=settings.precision), backend, engine, settings)
            for layer in layers
        ]
        measured.append(_idle(model, subject, backend, engine, settings))
        meter = MeterSettings(
            threads=threads, buckets=default_buckets(settings.batch), seconds=settings.measure_seconds
        )
        *tables, idle = measure_costs(measured, few, meter, stages.progress)
    return _times(layers, tables, idle)


def _times(layers: Sequence[HeadLayer], tables: Sequence[CostTable], idle: CostTable) -> HeadTimes:
    """Sort times by head."""
    start = _start(tables, idle)
    found = {
        head: tuple(ms - less for ms, less in zip(row, start, strict=True))
        for layer, table in zip(layers, tables, strict=True)
        for head, row in zip(layer.heads, table.head_ms, strict=True)
    }
    return HeadTimes(trunk=_trunk(layers, tables, start), head_ms=tuple(found[head] for head in sorted(found)))


def _start(tables: Sequence[CostTable], idle: CostTable) -> tuple[float, ...]:
    """What it takes to start a graph.

    Segments and heads are started too, so it takes no longer than any of these. Where the idle graph was measured to
    take longer, something else had the cores.
    """
    return _least([*idle.segment_ms, *(row for table in tables for row in (*table.segment_ms, *table.head_ms))])


def _trunk(layers: Sequence[HeadLayer], tables: Sequence[CostTable], start: Sequence[float]) -> CostTable:
    """The trunk's times: the least of all layers that cut it in the same places.

    The whole network computes what its segments do and is started once, so it takes no longer than they take together,
    less one start for each cut. Where it was measured to take longer, something else had the cores.
    """
    first = tables[0]
    alike = [table for layer, table in zip(layers, tables, strict=True) if len(layer.heads) == len(layers[0].heads)]
    segments = tuple(_least([table.segment_ms[index] for table in alike]) for index in range(first.segments))
    together = [
        sum(row[bucket] for row in segments) - (first.segments - 1) * start[bucket]
        for bucket in range(len(first.buckets))
    ]
    whole = _least([*(table.whole_ms for table in tables), together])
    return replace(first, segment_ms=segments, whole_ms=whole, head_ms=())


def _least(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The least of each column."""
    return tuple(map(min, *rows)) if len(rows) > 1 else tuple(rows[0])


def _backends(settings: ComposeSettings, stages: Stages) -> dict[str, Backend]:
    """The engine that the user wants, or those that `auto` chooses from, with this precision."""
    if settings.engine != "auto":
        return {settings.engine: _able(settings.engine, settings.precision)}
    found = {}
    for engine in RACED:
        try:
            found[engine] = _able(engine, settings.precision)
        except EngineError as error:
            stages.detail(f"{engine} is not tried: {error.problem}")
    if not found:
        problem = f"no engine here has {settings.precision}, expected one of {', '.join(RACED)}"
        raise EngineError("--engine auto", problem, "Choose another --precision")
    return found


def _able(engine: str, precision: str) -> Backend:
    """An engine that has a precision."""
    backend = load_backend(engine)
    if precision not in backend.probe().precisions:
        raise EngineError(f"engine {engine}", f"this machine has no {precision} in it", "Choose another --precision")
    return backend


def _fastest(
    backends: Mapping[str, Backend],
    layer: HeadLayer,
    subject: Subject,
    samples: Mapping[str, Array],
    settings: ComposeSettings,
    stages: Stages,
) -> str:
    """The engine that runs the whole network fastest."""
    if len(backends) == 1:
        return next(iter(backends))
    entries = []
    for engine, backend in backends.items():
        _, whole = chains_of(layer, subject, engine=engine, precision=settings.precision)
        entries.append(_measured((whole, whole), backend, engine, settings))
    threads = threads_or_default(settings.threads)
    meter = MeterSettings(threads=threads, buckets=(settings.batch,), seconds=RACE_SECONDS)
    tables = measure_costs(entries, samples, meter, stages.progress)
    for table in tables:
        stages.detail(f"{table.engine}: {table.whole_ms[-1]:.2f} ms a batch of {settings.batch}, without heads")
    return min(tables, key=lambda table: table.whole_ms[-1]).engine


def _measured(chains: tuple[Chain, Chain], backend: Backend, engine: str, settings: ComposeSettings) -> Measured:
    threads = threads_or_default(settings.threads)
    chain, whole = (load_chain(each, backend, threads=threads) for each in chains)
    return Measured(engine=engine, precision=settings.precision, chain=chain, whole=whole)


def _idle(model: ir.Model, subject: Subject, backend: Backend, engine: str, settings: ComposeSettings) -> Measured:
    """A graph that does nothing."""
    (classes,) = subject.attachment.output
    spec = TensorSpec(name="x", dtype="float32", shape=(classes,))
    segment = ChainSegment(graph=idle_graph(model, classes), logits="logits", score="logits")
    chain = Chain(inputs=(spec,), segments=(segment,))
    inputs = {"x": np.zeros((1, classes), np.float32)}
    return replace(_measured((chain, chain), backend, engine, settings), inputs=inputs)
