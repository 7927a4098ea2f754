"""What `eecompile compose` prints at its end."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eecompile.compose.report import ComposeReport, CompositionReport

__all__ = ["compose_summary"]


def compose_summary(report: "ComposeReport") -> str:
    """All heads, the composition beside others, what limited it, and what was written."""
    counts = ", ".join(f"{count} {name}" for name, count in report.samples.items())
    lines = [
        f"=== {report.model}: {report.policy}, at most {report.limits.max_drop:.2%} less {report.measure} ===",
        f"Samples: {counts}; times: {report.engine} {report.precision}, {report.device}",
        *_heads(report),
        "",
        *_compositions(report),
        _limited(report),
        f"Search {report.search_seconds:.1f} s of {report.seconds:.1f} s, {_how(report)}",
    ]
    return "\n".join([*lines, f"PASSED | {_written(report)}"])


def _heads(report: "ComposeReport") -> list[str]:
    from eecompile.attach.heads_table import bytes_text
    from eerun.bench.table import aligned, number, share

    rows = [("tap", "head", "agrees", "right", "ms@1", f"ms@{report.batch}", "weights", "leave", "precise", "exit")]
    rows += [
        (
            head.tap,
            head.label,
            share(head.agreement, 2),
            share(head.accuracy, 2),
            number(head.single_ms, 3),
            number(head.batch_ms, 3),
            bytes_text(head.memory_bytes),
            share(head.share, 1),
            share(head.precision, 1),
            "→" if head.chosen else "",
        )
        for head in report.heads
    ]
    return [
        *aligned(rows),
        "on tune; ms: what a head adds to its segment; precise: of those that leave there, the share with the final "
        "exit's answer, or a right one",
    ]


def _compositions(report: "ComposeReport") -> list[str]:
    from eecompile.attach.heads_table import bytes_text
    from eerun.bench.table import aligned, number

    def row(each: "CompositionReport", mark: str) -> tuple[str, ...]:
        return (
            f"{each.name}, {len(each.heads)} exits{mark}",
            number(each.tune_ms, 3),
            f"{each.tune_drop:+.2%}",
            number(each.test_ms, 3),
            number(report.whole_ms / each.test_ms if each.test_ms else None, 2),
            f"{each.test_drop:+.2%}",
            number(each.full_ms, 3),
            bytes_text(each.memory_bytes),
        )

    head = ("", f"ms@{report.batch}", "drop", f"ms@{report.batch}", "x", "drop", "if none leaves", "weights")
    rows = [("", "tune", "", "test", "", "", "", ""), head, row(report.chosen, " →")]
    rows += [row(each, "" if each.keeps_limits else " ✗") for each in report.others]
    lines = aligned(rows)
    lines.append(
        f"ms expected; x: times the speed of the network without heads, {report.whole_ms:.2f} ms a batch of "
        f"{report.batch}; thresholds of all for {report.asked_drop:.2%} on tune; test chose nothing"
    )
    if not all(each.keeps_limits for each in report.others):
        lines.append("✗ breaks a limit")
    return lines


def _limited(report: "ComposeReport") -> str:
    if not report.limited_by:
        return f"Limited by: --max-drop {report.limits.max_drop:.2%} alone"
    found = ", ".join(f"{each.flag} ({each.share:.1%} less time without it)" for each in report.limited_by)
    return f"Limited by: {found}, and --max-drop {report.limits.max_drop:.2%}"


def _how(report: "ComposeReport") -> str:
    if report.exact:
        return "all compositions looked at"
    return "a beam of compositions looked at: there are too many for all"


def _written(report: "ComposeReport") -> str:
    if not report.pays:
        return f"{report.model} | no exit pays here: nothing written"
    chosen = ", ".join(report.chosen.heads)
    if report.output is None:
        return f"{report.model} | {chosen} | nothing written (no --output)"
    return f"{report.output} | {chosen}"
