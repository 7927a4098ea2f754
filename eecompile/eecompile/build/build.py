"""The build, stage by stage: prepare, check, measure, tune, write."""

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter

import onnx_ir as ir

from eecompile.build.check_chain import check_chain
from eecompile.build.prepare import Prepared, prepare
from eecompile.build.report import BuildReport, SegmentReport
from eecompile.build.settings import BuildSettings
from eecompile.build.stages import Stages
from eecompile.build.tune import Tuned, tune
from eengines.backends import load_backend
from eengines.engine import Backend
from eengines.errors import BuildError
from eerun.bundle import SCHEMA, BundleWriter, Manifest, PolicyFile, SegmentEntry, SplitEntry
from eerun.costs import CostTable
from eerun.data import digest
from eerun.executor import Chain, ChainExecutor, ChainSegment, load_chain
from eerun.measure_costs import measure_costs
from eerun.model import threads_or_default

__all__ = ["build"]

PRECISION = "float32"
MAX_GRAPH_BYTES = 2**31 - 2**20
RECORDED_VERSIONS = ("eecompile", "numpy", "onnx", "onnx-ir", "onnxruntime", "onnxscript", "torch")


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
    backend = load_backend(settings.engine)
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
        report = _report(model, target, prepared, costs, tuned, settings, error, perf_counter() - started)
        for warning in report.warnings:
            stages.warn(warning)
        with stages.stage("write the bundle"):
            _write(writer, prepared, graphs, whole, costs, tuned, report, settings)
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
        engine=backend.name,
        precision=PRECISION,
        threads=threads,
        buckets=settings.all_buckets,
        seconds=settings.measure_seconds,
        progress=stages.progress,
    )


def _executor(
    prepared: Prepared, graphs: Sequence[bytes], backend: Backend, costs: CostTable, settings: BuildSettings
) -> ChainExecutor:
    loaded = load_chain(_chain(prepared, graphs), backend, threads=threads_or_default(settings.threads))
    return ChainExecutor(loaded, costs)


def _report(
    model: Path,
    target: Path,
    prepared: Prepared,
    costs: CostTable,
    tuned: Tuned,
    settings: BuildSettings,
    chain_error: float,
    seconds: float,
) -> BuildReport:
    plans = prepared.split.plan.segments
    thresholds = (*tuned.thresholds, None)
    return BuildReport(
        model=model.name,
        bundle=target.name,
        policy=settings.policy,
        max_drop=settings.max_drop if settings.thresholds is None else None,
        drop_measure="agreement" if settings.agreement else "accuracy",
        segments=tuple(
            SegmentReport(
                exit=name,
                nodes=len(segment.model.graph),
                macs=segment.macs,
                parameters=segment.parameters,
                boundary_bytes=plan.crossing_bytes,
                boundary=plan.crossing,
                threshold=threshold,
            )
            for name, segment, plan, threshold in zip(
                prepared.ingested.exits, prepared.split.segments, plans, thresholds, strict=True
            )
        ),
        whole_macs=prepared.split.whole_macs,
        costs=costs,
        batch=costs.max_batch,
        whole_ms=costs.whole_ms[-1],
        tune=tuned.tune,
        test=tuned.test,
        reference_error=prepared.reference_error,
        chain_error=chain_error,
        warnings=_warnings(tuned, costs, settings),
        seconds=seconds,
    )


def _warnings(tuned: Tuned, costs: CostTable, settings: BuildSettings) -> tuple[str, ...]:
    """What a user should know before using the bundle."""
    found = []
    test = tuned.test
    if test is None:
        return ("no data: thresholds are as given, nothing is known about accuracy",)
    if test.expected_ms >= costs.whole_ms[-1]:
        found.append(
            f"exits do not pay here: expected {test.expected_ms:.2f} ms a batch of {costs.max_batch}, "
            f"the whole network takes {costs.whole_ms[-1]:.2f} ms"
        )
    final = 1.0 if settings.agreement else test.accuracy_final
    reached = test.agreement if settings.agreement else test.accuracy
    if settings.thresholds is None and final and reached is not None and reached < final * (1 - settings.max_drop):
        found.append(
            f"on test the drop is {1 - reached / final:.2%}, more than the {settings.max_drop:.2%} asked for: "
            f"thresholds fitted to {tuned.tune.samples if tuned.tune else 0} tune samples do not promise a drop on others"
        )
    return tuple(found)


def _write(
    writer: BundleWriter,
    prepared: Prepared,
    graphs: Sequence[bytes],
    whole: bytes,
    costs: CostTable,
    tuned: Tuned,
    report: BuildReport,
    settings: BuildSettings,
) -> None:
    """Write every file, the manifest last."""
    ingested, entries = prepared.ingested, []
    for index, (graph, segment, part) in enumerate(zip(graphs, prepared.split.segments, report.segments, strict=True)):
        file = f"segments/{index}.onnx"
        writer.add(file, graph)
        entries.append(
            SegmentEntry(
                file=file,
                logits=segment.logits,
                score=segment.score,
                nodes=part.nodes,
                macs=part.macs,
                parameters=part.parameters,
                boundary_bytes=part.boundary_bytes,
            )
        )
    writer.add("segments/whole.onnx", whole)
    writer.add_json("policy/policy.json", PolicyFile(policy=settings.policy, thresholds=tuned.thresholds))
    costs_file = f"costs/{costs.engine}-{costs.precision}.json"
    writer.add_json(costs_file, costs)
    writer.add_json("report/summary.json", report)
    writer.finish(
        Manifest(
            schema=SCHEMA,
            producer=_producer(),
            source=report.model,
            source_sha256=ingested.source_sha256,
            task=ingested.task,
            classes=ingested.classes,
            inputs=prepared.inputs,
            exits=ingested.exits,
            segments=tuple(entries),
            whole="segments/whole.onnx",
            whole_output=entries[-1].logits,
            whole_macs=prepared.split.whole_macs,
            precision=PRECISION,
            policy="policy/policy.json",
            costs=costs_file,
            report="report/summary.json",
            splits={n: SplitEntry(samples=len(s), sha256=digest(s)) for n, s in prepared.splits.items() if n != "train"},
            split_seed=settings.seed,
        )
    )


def _producer() -> dict[str, str]:
    """Versions of everything that had a hand in the bundle."""
    versions = {"python": platform.python_version()}
    for name in RECORDED_VERSIONS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
