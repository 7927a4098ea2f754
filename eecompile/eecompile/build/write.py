"""Write everything that a build made into a bundle."""

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from eecompile.build.candidates import PORTABLE
from eecompile.build.choose import Chosen
from eecompile.build.lower_graphs import Graphs, Lowering
from eecompile.build.prepare import Prepared
from eecompile.build.report import BuildReport
from eecompile.build.target_graphs import TargetGraphs
from eecompile.build.trial import Trial
from eerun.bundle import (
    ENGINES_FOLDER,
    SCHEMA,
    BundleWriter,
    ConfigurationEntry,
    FoldEntry,
    Manifest,
    PolicyFile,
    SegmentEntry,
    SplitEntry,
    TargetEntry,
    bundle_lock,
)
from eerun.data import digest

__all__ = ["producer", "write_bundle"]

RECORDED_VERSIONS = ("eecompile", "numpy", "onnx", "onnx-ir", "onnxruntime", "onnxscript", "openvino", "torch")

FLOAT32, SEGMENT = "segments", "{folder}/{index}.onnx"
RANGES = "calibration/ranges.json"


def write_bundle(
    writer: BundleWriter,
    prepared: Prepared,
    source: Lowering,
    chosen: Chosen,
    report: BuildReport,
    *,
    fold: FoldEntry | None,
) -> None:
    """Write every file, the manifest last; plans of an older bundle of this name come along, for graphs that stay."""
    manifest = _write_files(writer, prepared, source, chosen, report, fold=fold)
    with bundle_lock(writer.target):
        writer.take_plans(writer.target / ENGINES_FOLDER)
        writer.finish(manifest)


def _write_files(
    writer: BundleWriter,
    prepared: Prepared,
    source: Lowering,
    chosen: Chosen,
    report: BuildReport,
    *,
    fold: FoldEntry | None,
) -> Manifest:
    """Write every file but the manifest, and return that."""
    ingested, split, lengths = prepared.ingested, prepared.split, [entry.length for entry in prepared.lengths]
    writer.add_json("report/summary.json", report)
    if source.ranges is not None:
        writer.add_json(RANGES, source.ranges)
    segments = tuple(
        SegmentEntry(
            file=SEGMENT.format(folder=FLOAT32, index=index),
            logits=segment.logits,
            score=segment.score,
            nodes=part.nodes,
            macs=part.macs,
            parameters=part.parameters,
            boundary_bytes=part.boundary_bytes,
        )
        for index, (segment, part) in enumerate(zip(split.segments, report.segments, strict=True))
    )
    return Manifest(
        schema=SCHEMA,
        producer=producer(),
        source=report.model,
        source_sha256=ingested.source_sha256,
        task=ingested.task,
        classes=ingested.classes,
        inputs=prepared.inputs,
        exits=ingested.exits,
        segments=segments,
        whole=f"{FLOAT32}/whole.onnx",
        whole_output=segments[-1].logits,
        whole_macs=split.whole_macs,
        configurations=tuple(_configuration(writer, trial, report, lengths) for trial in chosen.kept),
        targets=tuple(_target(writer, entry, report) for entry in chosen.targets),
        ranges=None if source.ranges is None else RANGES,
        report="report/summary.json",
        splits={n: SplitEntry(samples=len(s), sha256=digest(s)) for n, s in prepared.splits.items() if n != "train"},
        split_seed=prepared.split_seed,
        lengths=prepared.lengths,
        fold=fold,
    )


def _configuration(
    writer: BundleWriter, trial: Trial, report: BuildReport, lengths: Sequence[int]
) -> ConfigurationEntry:
    """Write the files of one configuration; those of the portable one are the canonical graphs."""
    candidate, graphs = trial.candidate, trial.loaded.graphs
    name = f"{candidate.engine}-{candidate.precision}"
    folder = FLOAT32 if candidate == PORTABLE else f"graphs/{name}"
    files = _add_graphs(writer, folder, graphs)
    writer.add_json(f"policy/{name}.json", _policy(report, trial.tuned.thresholds))
    writer.add_json(f"costs/{name}.json", trial.costs)
    length_costs = tuple(f"costs/{name}-length-{length}.json" for length in lengths)
    for file, costs in zip(length_costs, trial.length_costs, strict=True):
        writer.add_json(file, costs)
    return ConfigurationEntry(
        engine=candidate.engine,
        precision=candidate.precision,
        segments=files,
        whole=f"{folder}/whole.onnx",
        policy=f"policy/{name}.json",
        costs=f"costs/{name}.json",
        length_costs=length_costs,
        agreement=None if trial.agreement is None else trial.agreement[-1],
    )


def _target(writer: BundleWriter, entry: TargetGraphs, report: BuildReport) -> TargetEntry:
    """Write the graphs for a device that is not here."""
    name = f"{entry.target}-{entry.precision}"
    folder = f"targets/{name}"
    files = _add_graphs(writer, folder, entry.graphs)
    writer.add_json(f"policy/{name}.json", _policy(report, entry.thresholds))
    return TargetEntry(
        target=entry.target,
        precision=entry.precision,
        opset=entry.opset,
        segments=files,
        whole=f"{folder}/whole.onnx",
        policy=f"policy/{name}.json",
        agreement=entry.agreement,
    )


def _policy(report: BuildReport, thresholds: tuple[float | None, ...]) -> PolicyFile:
    """The rule, with the thresholds of some graphs."""
    return PolicyFile(policy=report.policy, thresholds=thresholds, group_exit=report.group_exit)


def _add_graphs(writer: BundleWriter, folder: str, graphs: Graphs) -> tuple[str, ...]:
    """Write segments and whole network into a folder; return the paths of the segments."""
    files = tuple(SEGMENT.format(folder=folder, index=index) for index in range(len(graphs.segments)))
    for file, graph in zip((*files, f"{folder}/whole.onnx"), (*graphs.segments, graphs.whole), strict=True):
        writer.add(file, graph)
    return files


def producer() -> dict[str, str]:
    """Versions of everything that had a hand in the bundle."""
    versions = {"python": platform.python_version()}
    for name in RECORDED_VERSIONS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
