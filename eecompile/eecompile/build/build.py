"""The build, stage by stage: prepare, check, measure, tune, write."""

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import onnx_ir as ir

from eecompile.build.check_chain import check_chain
from eecompile.build.make_report import make_report
from eecompile.build.prepare import Prepared, prepare
from eecompile.build.report import BuildReport
from eecompile.build.settings import BuildSettings
from eecompile.build.stages import Stages
from eecompile.build.tune import tune
from eecompile.build.write import Graphs, write_bundle
from eengines.backends import load_backend
from eengines.backends.onnxruntime import session_options
from eengines.engine import Backend
from eengines.errors import BuildError
from eengines.threads import threads_or_default
from eerun.bundle import BundleWriter
from eerun.costs import CostTable
from eerun.executor import Chain, ChainExecutor, ChainSegment, load_chain
from eerun.measure_costs import MeterSettings, measure_costs

__all__ = ["build"]

PRECISION = "float32"
MAX_GRAPH_BYTES = 2**31 - 2**20


def build(model: Path, settings: BuildSettings, stages: Stages) -> BuildReport:
    """Build a bundle from a model file.

    Args:
        model: a checkpoint, an ONNX graph, or (with `trust`) a torch archive.
        settings: what the user chose.
        stages: where progress is shown.

    Returns:
        What was measured; the same is in the bundle.

    Raises:
        UserError: settings, data or the model file cannot be used.
        BuildError: the network cannot be compiled.
        EngineError: the engine is missing or refuses a segment.
    """
    started = perf_counter()
    target = settings.output or model.with_suffix(".ee")
    backend = load_backend("onnxruntime" if settings.engine == "auto" else settings.engine)
    session_options(threads_or_default(settings.threads))  # before any other session of this process fixes the number
    with BundleWriter(target) as writer:
        prepared = prepare(model, settings, stages)
        graphs = [_serialize(segment.model, index) for index, segment in enumerate(prepared.split.segments)]
        whole = _serialize(prepared.split.whole, None)
        with stages.stage("measure segments"):
            costs = _measure(prepared, graphs, whole, backend, settings, stages)
        with stages.stage("check the chain"):
            executor = _executor(prepared, graphs, backend, costs, settings)
            error = check_chain(executor, prepared.model, prepared.ingested.exits, prepared.samples)
        tuned = tune(prepared, executor, costs, settings, stages)
        report = make_report(
            prepared, costs, tuned, settings, names=(model.name, target.name), chain_error=error, started=started
        )
        for warning in report.warnings:
            stages.warn(warning)
        with stages.stage("write the bundle"):
            write_bundle(writer, prepared, Graphs(segments=tuple(graphs), whole=whole), costs, report)
    return report


def _serialize(model: ir.Model, index: int | None) -> bytes:
    """A graph as bytes, weights inside."""
    proto = ir.to_proto(model)
    size = proto.ByteSize()
    if size > MAX_GRAPH_BYTES:
        raise BuildError(
            "whole network" if index is None else f"segment {index}",
            f"its graph has {size} bytes, ONNX files hold at most {MAX_GRAPH_BYTES}",
            "Use a smaller network",
        )
    return bytes(proto.SerializeToString(deterministic=True))


def _chain(prepared: Prepared, graphs: Sequence[bytes]) -> Chain:
    return Chain(
        inputs=tuple(entry.spec for entry in prepared.inputs),
        segments=tuple(
            ChainSegment(graph=graph, logits=segment.logits, score=segment.score)
            for graph, segment in zip(graphs, prepared.split.segments, strict=True)
        ),
    )


def _measure(
    prepared: Prepared, graphs: Sequence[bytes], whole: bytes, backend: Backend, settings: BuildSettings, stages: Stages
) -> CostTable:
    threads = threads_or_default(settings.threads)
    chain = _chain(prepared, graphs)
    output = chain.segments[-1].logits
    whole_chain = Chain(inputs=chain.inputs, segments=(ChainSegment(graph=whole, logits=output, score=output),))
    return measure_costs(
        load_chain(chain, backend, threads=threads),
        load_chain(whole_chain, backend, threads=threads),
        prepared.samples,
        MeterSettings(
            engine=backend.name,
            precision=PRECISION,
            threads=threads,
            buckets=settings.all_buckets,
            seconds=settings.measure_seconds,
        ),
        stages.progress,
    )


def _executor(
    prepared: Prepared, graphs: Sequence[bytes], backend: Backend, costs: CostTable, settings: BuildSettings
) -> ChainExecutor:
    loaded = load_chain(_chain(prepared, graphs), backend, threads=threads_or_default(settings.threads))
    return ChainExecutor(loaded, costs)
