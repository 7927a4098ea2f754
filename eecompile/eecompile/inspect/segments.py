"""The segments of a configuration, as text: what its graphs really compute and hand on."""

from collections import Counter
from collections.abc import Sequence

import onnx
import onnx_ir as ir

from eecompile.build.report import BuildReport
from eecompile.inspect.crossing import crossings
from eecompile.inspect.weighted import weighted_nodes
from eecompile.inspect.wrapped import listed
from eengines.targets import PRECISIONS
from eerun.bench.table import aligned, number, share
from eerun.bundle import Bundle, ConfigurationEntry, TargetEntry
from eerun.costs import CostTable

__all__ = ["load_graphs", "segment_lines", "target_lines"]


def load_graphs(bundle: Bundle, files: Sequence[str]) -> list[ir.Graph]:
    """Return graphs of a bundle."""
    return [ir.from_proto(onnx.load_model_from_string(bundle.read(file))).graph for file in files]


def segment_lines(bundle: Bundle, report: BuildReport, entry: ConfigurationEntry) -> list[str]:
    """One line for each segment, then the boundaries, then what is in float in spite of the precision."""
    manifest, graphs = bundle.manifest, load_graphs(bundle, entry.segments)
    weighted = [weighted_nodes(graph) for graph in graphs]
    present = [p for p in PRECISIONS if any(p in found.values() for found in weighted)]
    costs, fold = bundle.costs(entry), manifest.images_a_row
    times = [f"ms@{costs.max_batch * fold}", *(["head"] if costs.head_ms else [])]
    shares = report.test.shares if report.test else (None,) * len(graphs)
    rows = [["", "exit", *(f"in {p}" for p in present), "MMACs", "weights", *times, "leave", "float32 graph"]]
    for index, (segment, found) in enumerate(zip(manifest.segments, weighted, strict=True)):
        counts = Counter(found.values())
        rows.append(
            [
                f"segment {index}",
                manifest.exits[index],
                *(str(counts[p]) for p in present),
                f"{segment.macs / fold / 1e6:.2f}",
                f"{segment.parameters / 1e3:.1f}k",
                *_times(costs, index),
                share(shares[index], 1),
                segment.file,
            ]
        )
    return [
        f"---- {len(graphs)} segment(s) in {entry.engine} {entry.precision}: nodes with weights by precision ----",
        *aligned(rows),
        f"whole: no exit heads, {manifest.whole_macs / fold / 1e6:.2f} MMACs"
        + (" an image" if fold > 1 else "")
        + ("; leave: share of the test samples" if report.test else "")
        + ("; head: ms of heads, which are graphs of their own" if costs.head_ms else ""),
        *_boundaries(bundle, graphs),
        *_in_float(report, entry.precision, weighted),
    ]


def _times(costs: CostTable, index: int) -> list[str]:
    """Milliseconds of a segment, and of its head where that is apart, in the largest bucket."""
    heads = [None if index == len(costs.head_ms) else costs.head_ms[index][-1]] if costs.head_ms else []
    return [number(costs.segment_ms[index][-1], 2), *(number(ms, 2) for ms in heads)]


def target_lines(bundle: Bundle) -> list[str]:
    """The graphs for other devices."""
    targets = bundle.manifest.targets
    if not targets:
        return []
    rows = [["", "opset", "as float32", "nodes with weights"], *(_target(bundle, target) for target in targets)]
    return ["", "---- Graphs for other devices, checked in ONNX Runtime ----", *aligned(rows)]


def _target(bundle: Bundle, target: TargetEntry) -> list[str]:
    counts = Counter(p for graph in load_graphs(bundle, target.segments) for p in weighted_nodes(graph).values())
    nodes = ", ".join(f"{count} in {name}" for name, count in counts.items())
    return [f"{target.target} {target.precision}", str(target.opset), share(target.agreement, 2), nodes]


def _boundaries(bundle: Bundle, graphs: Sequence[ir.Graph]) -> list[str]:
    """What crosses, as it is in memory."""
    lines, lengths = [], [entry.length for entry in bundle.manifest.lengths]
    longest, fold = lengths[-1] if lengths else None, bundle.manifest.images_a_row
    unit = "sample" if fold == 1 else f"group of {fold} images"
    for index, (specs, segment) in enumerate(zip(crossings(graphs, longest), bundle.manifest.segments, strict=False)):
        total = sum(spec.row_bytes for spec in specs)
        note = "" if total == segment.boundary_bytes else f", {segment.boundary_bytes} in float32"
        items = [f"{spec.name} {spec.dtype} [{', '.join(map(str, spec.shape))}]" for spec in specs]
        items.append(f"{total} bytes a {unit}{note}")
        lines += listed(f"boundary {index}→{index + 1}:", items)
    return lines


def _in_float(report: BuildReport, precision: str, weighted: Sequence[dict[str, str]]) -> list[str]:
    """Nodes kept in float by choice, and those with weights that no rule of the precision fits."""
    lines = listed("kept in float:", report.keep_float) if report.keep_float else []
    kept = set(report.keep_float)
    others = [name for found in weighted for name, p in found.items() if p != precision and name not in kept]
    return lines + (listed(f"with weights, not in {precision}:", others) if others else [])
