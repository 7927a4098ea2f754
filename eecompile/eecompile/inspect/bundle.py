"""What is inside a bundle, as text."""

from eecompile.build.report import BuildReport, SplitReport
from eecompile.inspect.configurations import configuration_lines, costs_lines
from eecompile.inspect.graph import node_lines
from eecompile.inspect.measured import measured_last, refresh_lines
from eecompile.inspect.plans import plans_lines
from eecompile.inspect.promises import promise_lines
from eecompile.inspect.ranges import ranges_lines
from eecompile.inspect.ranks import rank_lines
from eecompile.inspect.segments import load_graphs, segment_lines, target_lines
from eecompile.inspect.wrapped import listed
from eerun.answer_unit import accuracy_words, answer_unit
from eerun.bundle import Bundle, ConfigurationEntry, InputEntry, Manifest

__all__ = ["bundle_text"]


def bundle_text(bundle: Bundle, *, nodes: bool, ranges: bool) -> str:
    """Describe a bundle.

    Args:
        bundle: an opened bundle.
        nodes: list the nodes of the float32 graphs, too.
        ranges: list all INT8 ranges, not only the extreme ones.

    Raises:
        BundleError: a file is damaged.
    """
    manifest = bundle.manifest
    report = measured_last(bundle)
    lines = [
        *_head(bundle),
        "",
        *configuration_lines(bundle, report),
        *_quality(report, manifest.chosen),
        *promise_lines(bundle),
        *rank_lines(manifest, report),
        "",
        *segment_lines(bundle, report, manifest.chosen),
        *target_lines(bundle),
        *ranges_lines(bundle, every=ranges),
        "",
        *costs_lines(bundle),
        *plans_lines(bundle),
    ]
    if nodes:
        files = [segment.file for segment in manifest.segments]
        for file, graph in zip(files, load_graphs(bundle, files), strict=True):
            lines += ["", f"---- Nodes of {file}; --keep-float takes these names ----", *node_lines(graph)]
    return "\n".join(lines)


def _head(bundle: Bundle) -> list[str]:
    """Where it comes from, and what goes in."""
    manifest = bundle.manifest
    size = sum(entry.bytes for entry in manifest.files.values())
    return [
        f"==== Bundle {bundle.path} ====",
        f"Schema: {manifest.schema} | {len(manifest.files)} files, {size / 2**20:.2f} MiB",
        f"Source: {manifest.source} (sha256 {manifest.source_sha256[:12]}…)",
        *listed("Made with:", (f"{name} {version}" for name, version in manifest.producer.items())),
        f"Task: {manifest.task}" + (f", {len(manifest.classes)} classes" if manifest.classes else ""),
        *_inputs(manifest),
        *_lengths(manifest),
        *_fold(bundle),
        *(
            f"Data: {name}, {split.samples} samples (sha256 {split.sha256[:12]}…)"
            for name, split in manifest.splits.items()
        ),
        *refresh_lines(bundle),
    ]


def _inputs(manifest: Manifest) -> list[str]:
    return [
        f"Input: {entry.name} {entry.dtype} [batch, {_sizes(entry)}]"
        + (f", values {entry.range[0]:g} to {entry.range[1]:g}" if entry.range else "")
        + ("" if entry.sequence is None else f", padded with {entry.pad:g}")
        for entry in manifest.inputs
    ]


def _sizes(entry: InputEntry) -> str:
    return ", ".join(f"up to {size}" if axis == entry.sequence else str(size) for axis, size in enumerate(entry.shape))


def _lengths(manifest: Manifest) -> list[str]:
    """The length buckets, and how often samples have them."""
    if not manifest.lengths:
        return []
    items = (f"{entry.length} ({entry.share:.1%})" for entry in manifest.lengths)
    return listed("Sequence lengths, with the share of the tune samples:", items)


def _fold(bundle: Bundle) -> list[str]:
    """How many images share a pass, and when they leave, in the first configuration for the CPU."""
    fold = bundle.manifest.fold
    if fold is None:
        return []
    rule = bundle.policy(bundle.manifest.chosen).group_exit
    items = [
        f"{fold.factor} images share a pass (widths {fold.widths})",
        f"leave together by the rule '{rule}'",
        "batches are counted in images",
    ]
    return listed("Folded:", items)


def _quality(report: BuildReport, chosen: ConfigurationEntry) -> list[str]:
    """Shares and accuracy of the first configuration for the CPU, on the splits that were looked at."""
    found = [(name, split) for name, split in (("tune", report.tune), ("test", report.test)) if split is not None]
    if not found:
        return ["no data were given: thresholds are as given"]
    return [
        line
        for name, split in found
        for line in _split(f"On {name}, {chosen.engine} {chosen.precision}:", split, report.task)
    ]


def _split(head: str, split: SplitReport, task: str) -> list[str]:
    items = [f"leave {' / '.join(f'{share:.1%}' for share in split.shares)}"]
    if split.accuracy is not None:
        items.append(f"{accuracy_words(task)} {split.accuracy:.2%} (final exit {split.accuracy_final:.2%})")
    of = "" if answer_unit(task) == "sample" else " of the pixels"
    return listed(head, [*items, f"agreement {split.agreement:.2%}{of}"])
