"""What is inside a bundle or a model, as text."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from eecompile.build.report import BuildReport
from eecompile.checkpoint import load_checkpoint
from eengines.errors import IngestError, UserError
from eerun.bundle import MANIFEST_NAME, Bundle, Manifest, open_bundle

__all__ = ["inspect_text"]


def inspect_text(path: Path) -> str:
    """Describe a bundle, a checkpoint or an ONNX graph.

    Raises:
        UserError: the path does not exist or is of another kind.
        BundleError: the bundle is damaged.
        IngestError: the checkpoint is damaged.
    """
    if (path / MANIFEST_NAME).is_file():
        return _bundle(open_bundle(path))
    if path.suffix == ".onnx" and path.is_file():
        return _onnx(path)
    if path.suffix in (".pt", ".pth") and path.is_file():
        return _checkpoint(path)
    raise UserError(str(path), "neither a bundle nor a .pt or .onnx file", "Give one of these")


def _bundle(bundle: Bundle) -> str:
    manifest = bundle.manifest
    chosen = manifest.configurations[0]
    policy, costs = bundle.policy(chosen), bundle.costs(chosen)
    report = bundle.read_json(manifest.report, BuildReport)
    size = sum(entry.bytes for entry in manifest.files.values())
    lines = [
        f"==== Bundle {bundle.path} ====",
        f"Schema: {manifest.schema} | {len(manifest.files)} files, {size / 2**20:.2f} MiB",
        f"Source: {manifest.source} (sha256 {manifest.source_sha256[:12]}…)",
        "Made with: " + ", ".join(f"{name} {version}" for name, version in manifest.producer.items()),
        f"Task: {manifest.task}" + (f", {len(manifest.classes)} classes" if manifest.classes else ""),
        "",
        f"---- {len(manifest.inputs)} input(s) ----",
        *_inputs(manifest),
        "",
        f"---- {len(manifest.segments)} segment(s), {chosen.precision} ----",
    ]
    for index, (exit_name, segment, part) in enumerate(
        zip(manifest.exits, manifest.segments, report.segments, strict=True)
    ):
        last = index == len(manifest.segments) - 1
        leave = "all who are left" if last else _threshold(policy.thresholds[index])
        lines.append(
            f"{index}: {segment.file} | exit {exit_name} [{segment.logits}] | {segment.nodes} nodes, "
            f"{segment.macs / 1e6:.2f} MMACs, {segment.parameters / 1e3:.1f}k parameters | leave: {leave}"
        )
        if not last:
            lines.append(f"   boundary: {', '.join(part.boundary)} ({segment.boundary_bytes} bytes a sample)")
    lines += [
        f"whole: {manifest.whole} | no exit heads, {manifest.whole_macs / 1e6:.2f} MMACs",
        "",
        f"---- Policy {policy.policy} ----",
        *_quality(report),
        "",
        f"---- Costs in ms: {costs.engine} {costs.precision} on {costs.device} ----",
        _row("batch", costs.buckets),
        *(_row(f"segment {index}", row) for index, row in enumerate(costs.segment_ms)),
        _row("whole", costs.whole_ms),
        "",
        "---- Data splits ----",
        *(f"{name}: {split.samples} samples (sha256 {split.sha256[:12]}…)" for name, split in manifest.splits.items()),
    ]
    return "\n".join(lines)


def _inputs(manifest: Manifest) -> list[str]:
    return [
        f"{entry.name} [dtype={entry.dtype}, shape=('batch', {', '.join(map(str, entry.shape))})]"
        + (f", values {entry.range[0]:g} to {entry.range[1]:g}" if entry.range else "")
        for entry in manifest.inputs
    ]


def _threshold(value: float | None) -> str:
    return "nobody" if value is None else f"score >= {value:.6g}"


def _quality(report: BuildReport) -> list[str]:
    """Shares and accuracy on the splits that the build looked at."""
    lines = []
    for name, split in (("tune", report.tune), ("test", report.test)):
        if split is None:
            continue
        shares = " / ".join(f"{share:.1%}" for share in split.shares)
        quality = (
            "" if split.accuracy is None else f", accuracy {split.accuracy:.2%} (final {split.accuracy_final:.2%})"
        )
        lines.append(f"{name}: leave {shares}{quality}, agreement {split.agreement:.2%}")
    return lines or ["no data were given: thresholds are as given"]


def _row(name: str, values: Sequence[float]) -> str:
    return f"{name:<10}" + "".join(f"{value:>9.3f}" if isinstance(value, float) else f"{value:>9}" for value in values)


def _checkpoint(path: Path) -> str:
    checkpoint = load_checkpoint(path)
    parameters = sum(tensor.numel() for tensor in checkpoint.state_dict.values())
    lines = [
        f"==== Checkpoint {path} ====",
        f"Architecture: {checkpoint.arch or 'not named: --factory is needed'} {dict(checkpoint.arch_kwargs)}",
        f"Exits: {', '.join(checkpoint.exits)}",
        f"Weights: {len(checkpoint.state_dict)} tensors, {parameters / 1e3:.1f}k numbers",
        f"Task: {checkpoint.task}, fold {checkpoint.fold}",
        *(f"Input: {msgspec.json.encode(info.to_dict()).decode()}" for info in checkpoint.inputs),
    ]
    return "\n".join(lines)


def _onnx(path: Path) -> str:
    import onnx_ir as ir
    from google.protobuf.message import DecodeError

    try:
        graph = ir.load(path).graph
    except (DecodeError, ValueError) as error:
        raise IngestError(str(path), f"not an ONNX file: {error}", "Export it again") from error
    counts: dict[str, int] = {}
    for node in graph:
        counts[node.op_type] = counts.get(node.op_type, 0) + 1
    lines = [f"==== ONNX graph {path} ====", f"Opset: {dict(graph.opset_imports)}"]
    lines += [f"Input: {value.name} [dtype={value.dtype}, shape={value.shape}]" for value in graph.inputs]
    lines += [f"Output: {value.name} [dtype={value.dtype}, shape={value.shape}]" for value in graph.outputs]
    total = ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))
    return "\n".join([*lines, f"Nodes: {sum(counts.values())} ({total})"])
