"""The summary at the end of a build, as text."""

from collections.abc import Sequence

from eecompile.build.report import BuildReport, SplitReport, TargetReport
from eerun.answer_unit import accuracy_words, answer_unit
from eerun.folding import GroupExit

__all__ = ["summary_text", "table"]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Align columns: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def summary_text(report: BuildReport) -> str:
    """The whole summary."""
    folded = "" if report.fold == 1 else f", folded by {report.fold}"
    parts = [f"=== {report.bundle} from {report.model}{folded} ===", _trials(report), "", _segments(report)]
    if report.fold > 1:
        parts.append(_folded(report))
    parts.append(
        f"Whole network without exit heads: {report.whole_macs / report.fold / 1e6:.1f} MMACs, {report.whole_ms:.2f} "
        f"ms a batch of {report.batch} ({report.fastest_whole}, {report.costs.device})"
    )
    if report.reference_error is not None:
        parts.append(f"Exported graph against torch: logits within {report.reference_error:.1e} of their spread")
    parts.append(f"Float32 chain against whole graph: logits within {report.chain_error:.1e} of their spread")
    if report.calibration is not None:
        parts.append(f"INT8 ranges: {report.calibration}")
    if report.keep_float:
        parts.append(f"Kept in float: {', '.join(report.keep_float)}")
    parts.extend(_target(target) for target in report.targets)
    for name, split in (("tune", report.tune), ("test", report.test)):
        if split is not None:
            parts.append(_quality(name, split, report))
    parts.extend(f"! {warning}" for warning in report.warnings)
    parts.append(f"PASSED | {report.bundle} | {report.seconds:.1f} s")
    return "\n".join(parts)


def _trials(report: BuildReport) -> str:
    """One line for each engine and precision that was measured."""
    rows = [["measured", f"whole ms@{report.batch}", "chain", "with exits", "as float32", "final exit", "with exits"]]
    for index, trial in enumerate(report.trials):
        mark = " →" if not index else "" if trial.kept else " ✗"
        rows.append(
            [
                f"{trial.engine} {trial.precision}{mark}",
                f"{trial.whole_ms:.2f}",
                f"{trial.chain_ms:.2f}",
                "-" if trial.expected_ms is None else f"{trial.expected_ms:.2f}",
                "-" if trial.agreement_test is None else f"{trial.agreement_test[-1]:.2%}",
                _accuracy(trial.test.accuracy_final if trial.test else None),
                _accuracy(trial.test.accuracy if trial.test else None),
            ]
        )
    note = "→ chosen"
    if any(not trial.kept for trial in report.trials):
        note += f"; ✗ not in the bundle: more than {report.max_quant_drop:.2%} of the answers differ from float32"
    of = "" if answer_unit(report.task) == "sample" else ", shares of pixels"
    return f"{table(rows)}\n{note}; agreement with float32 (final exit) and accuracy on test{of}"


def _folded(report: BuildReport) -> str:
    """How many images share a pass, and when they leave."""
    leaves = {GroupExit.ALL: "all", GroupExit.MAJORITY: "more than half", GroupExit.FIRST: "one"}[report.group_exit]
    text = (
        f"Folded by {report.fold}: {report.fold} images share a pass, and leave together when {leaves} of them passed"
    )
    return f"{text}; MMACs are of one image, boundaries of {report.fold}"


def _target(target: TargetReport) -> str:
    """Graphs for another device."""
    text = f"For {target.target}: {target.precision} graphs, opset {target.opset}"
    if target.agreement is not None:
        text += f", final exit answers {target.agreement:.2%} of the tune samples as float32"
    return text + (f"; kept in float: {', '.join(target.keep_float)}" if target.keep_float else "")


def _accuracy(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _segments(report: BuildReport) -> str:
    """One line a segment."""
    rows = [["segment", "nodes", "MMACs", "params", "boundary", "ms@" + str(report.batch), "threshold", "leave*"]]
    shares = report.test.shares if report.test else (None,) * len(report.segments)
    last = len(report.segments) - 1
    for index, (segment, share) in enumerate(zip(report.segments, shares, strict=True)):
        threshold = "never" if segment.threshold is None else f"{segment.threshold:.4f}"
        rows.append(
            [
                f"{index} → {segment.exit}",
                str(segment.nodes),
                f"{segment.macs / report.fold / 1e6:.2f}",
                f"{segment.parameters / 1e3:.1f}k",
                f"{segment.boundary_bytes} B" if index < last else "-",
                f"{report.costs.segment_ms[index][-1]:.2f}",
                threshold if index < last else "final",
                "-" if share is None else f"{share:.1%}",
            ]
        )
    note = "* expected share of samples, on test" if report.test else "* unknown: no data"
    return f"{table(rows)}\n{note}"


def _quality(name: str, split: SplitReport, report: BuildReport) -> str:
    """Accuracy and expected cost on one split."""
    text = f"On {name} ({split.samples} samples, {report.policy}): "
    if split.accuracy is not None and split.accuracy_final is not None:
        text += f"{accuracy_words(report.task)} {split.accuracy:.2%}, final exit {split.accuracy_final:.2%}, "
        text += f"in float32 {split.accuracy_float32:.2%}, "
    text += f"agreement with the final exit in float32 {split.agreement:.2%}; "
    text += f"expected {split.expected_ms:.2f} ms a batch of {report.batch}, "
    return text + f"{report.whole_ms / split.expected_ms:.2f}x the speed of the whole network ({report.fastest_whole})"
