"""Write everything that a build made into a bundle."""

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from eecompile.build.prepare import Prepared
from eecompile.build.report import BuildReport
from eerun.bundle import SCHEMA, BundleWriter, ConfigurationEntry, Manifest, PolicyFile, SegmentEntry, SplitEntry
from eerun.costs import CostTable
from eerun.data import digest

__all__ = ["Graphs", "write_bundle"]

RECORDED_VERSIONS = ("eecompile", "numpy", "onnx", "onnx-ir", "onnxruntime", "onnxscript", "torch")


@dataclass(frozen=True, kw_only=True)
class Graphs:
    """Serialized ONNX graphs."""

    segments: tuple[bytes, ...]
    whole: bytes


def write_bundle(
    writer: BundleWriter, prepared: Prepared, graphs: Graphs, costs: CostTable, report: BuildReport
) -> None:
    """Write every file, the manifest last."""
    ingested, entries = prepared.ingested, []
    parts = zip(graphs.segments, prepared.split.segments, report.segments, strict=True)
    for index, (graph, segment, part) in enumerate(parts):
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
    writer.add("segments/whole.onnx", graphs.whole)
    thresholds = tuple(part.threshold for part in report.segments[:-1])
    writer.add_json("policy/policy.json", PolicyFile(policy=report.policy, thresholds=thresholds))
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
            configurations=(
                ConfigurationEntry(
                    engine=costs.engine,
                    precision=costs.precision,
                    segments=tuple(entry.file for entry in entries),
                    whole="segments/whole.onnx",
                    policy="policy/policy.json",
                    costs=costs_file,
                    agreement=None,
                ),
            ),
            ranges=None,
            report="report/summary.json",
            splits={
                n: SplitEntry(samples=len(s), sha256=digest(s)) for n, s in prepared.splits.items() if n != "train"
            },
            split_seed=prepared.split_seed,
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
