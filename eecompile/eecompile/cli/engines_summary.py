"""What `eecompile engines` prints at its end."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eecompile.device_engines import EnginesReport

__all__ = ["engines_summary"]


def engines_summary(report: "EnginesReport") -> str:
    """Plans, measured configurations, and what to do next."""
    from eerun.bench.table import aligned, number, share

    rows = [("plan", "", "MiB", "seconds")]
    rows += [
        (plan.label, plan.status, number(plan.plan_bytes / 2**20, 2), number(plan.build_s, 1)) for plan in report.plans
    ]
    lines = [f"=== {report.bundle} for {report.target} ===", *aligned(rows)]
    lines += [f"{plan.reason}" for plan in report.plans if plan.status == "rebuilt"]
    lines += [f"! {plan.label}: {note}" for plan in report.plans for note in plan.notes]
    lines += [f"! {plan.label}: not kept: {plan.not_kept}" for plan in report.plans if plan.not_kept]
    lines += [f"skipped: {reason}" for reason in report.skipped]
    if not report.configurations:
        return "\n".join(
            [
                *lines,
                f"Not measured: the card is not here. There, run `{report.next_command}`",
                f"PASSED | {report.bundle}",
            ]
        )
    batch = report.configurations[0].batch
    measured = [("measured", f"whole ms@{batch}", "with exits", "as float32", "thresholds")]
    measured += [
        (
            each.name,
            number(each.whole_ms, 3),
            number(each.expected_ms, 3),
            share(each.agreement, 2),
            "tuned here" if each.tuned else "of the build",
        )
        for each in report.configurations
    ]
    return "\n".join([*lines, "", *aligned(measured), f"PASSED | {report.bundle}"])
