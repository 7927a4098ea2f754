"""What `eecompile refresh` prints at its end."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eecompile.build.report import SplitReport
    from eecompile.refresh import RefreshReport

__all__ = ["refresh_summary"]


def refresh_summary(report: "RefreshReport") -> str:
    """Heads, what the bundle runs before and after, what was replaced, and how long it took."""
    samples = report.samples
    lines = [
        f"=== {report.bundle} on {sum(samples[name] for name in ('train', 'tune', 'test'))} recent samples ===",
        *_heads(report),
        "",
        *_speed(report),
        f"Segments replaced: {len(report.segments_replaced)} of {report.segments}"
        + _listed([str(index) for index in report.segments_replaced])
        + "; costs are those that the build measured",
    ]
    if report.observed:
        lines.append(f"INT8 ranges taken from recent samples: {report.observed}, of the replaced heads")
    lines += [f"! dropped: {reason}" for reason in report.dropped]
    lines += [f"! left as it was: {reason}" for reason in report.left]
    lines.append(_seconds(report))
    if not report.written:
        return "\n".join(
            [*lines, f"PASSED | {report.bundle} | no head gains, the thresholds still do: nothing written"]
        )
    return "\n".join([*lines, f"PASSED | {report.bundle} | {report.model}"])


def _heads(report: "RefreshReport") -> list[str]:
    from eerun.bench.table import aligned, share

    rows = [("head", "agrees", "now", "right", "now", "best epoch", "weights")]
    rows += [
        (
            head.name,
            share(head.agreement_before, 2),
            share(head.agreement, 2),
            share(head.accuracy_before, 2),
            share(head.accuracy, 2),
            str(head.best_epoch),
            "new" if head.replaced else "old",
        )
        for head in report.heads
    ]
    problems = [f"! {head.name}: {head.problem}" for head in report.heads if head.problem is not None]
    held = report.samples["validation"]
    measure = "right" if report.target == "labels" else "agrees"
    return [
        *aligned(rows),
        f"on {held} held-out samples; weights are new where '{measure}' gains {report.min_gain:.2%} or more",
        *problems,
    ]


def _speed(report: "RefreshReport") -> list[str]:
    from eerun.bench.table import aligned, number, share

    rows = [("recent test", f"ms@{report.batch}*", "agrees", "right", "leave at exit")]
    if report.before is not None:
        rows.append(_row(f"{report.chosen_before}, before", report.before))
    rows += [
        _row(f"{way.name}{' →' if not index else ''}", way.test) for index, way in enumerate(report.configurations)
    ]
    now = report.configurations[0].test
    final = "" if now.accuracy_float32 is None else f", {share(now.accuracy_float32, 2)} right"
    return [
        *aligned(rows),
        f"→ runs now; * expected, on {report.samples['test']} samples that chose nothing",
        f"If nobody left early: {number(now.expected_ms_without_exits, 3)} ms{final}; "
        f"the whole network: {number(report.whole_ms, 3)} ms ({report.fastest_whole})",
        *_pay(report),
        _drop(report),
    ]


def _pay(report: "RefreshReport") -> list[str]:
    if report.exits_pay:
        return []
    return [
        f"! exits do not pay here: expected {report.configurations[0].test.expected_ms:.2f} ms a batch of "
        f"{report.batch}, the whole network takes {report.whole_ms:.2f} ms ({report.fastest_whole})"
    ]


def _drop(report: "RefreshReport") -> str:
    if report.max_drop is None and report.tuned_for is not None:
        return f"Thresholds stay: the bundle was tuned for {report.tuned_for}; --max-drop tunes them"
    if report.max_drop is None:
        return "Thresholds stay as they were given by hand; --max-drop tunes them"
    what = "agreement with the final exit" if report.drop_measure == "agreement" else "accuracy"
    return f"Thresholds: at most {report.max_drop:.2%} less {what} on {report.samples['tune']} samples (tune)"


def _row(name: str, split: "SplitReport") -> tuple[str, str, str, str, str]:
    from eerun.bench.table import number, share

    leave = " / ".join(f"{part:.0%}" for part in split.shares)
    return name, number(split.expected_ms, 3), share(split.agreement, 2), share(split.accuracy, 2), leave


def _listed(names: list[str]) -> str:
    return f" ({', '.join(names)})" if names else ""


def _seconds(report: "RefreshReport") -> str:
    took = report.seconds
    steps = {
        "features": took.features,
        "training": took.training,
        "graphs": took.graphs,
        "tuning": took.tuning,
        "writing": took.writing or 0.0,
    }
    return f"Seconds: {', '.join(f'{name} {value:.1f}' for name, value in steps.items())}; {took.total:.1f} together"
