"""What `eecompile tune` prints at its end."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eecompile.tune.report import CertificateReport, PolicyReport, TuneReport

__all__ = ["fold_lines", "policy_lines", "tune_summary"]

WEAK = 0.2
"""A rank correlation below which predicted exits are nearly those of a coin."""


def tune_summary(report: "TuneReport") -> str:
    """Every policy on tune and test, what was chosen, the promise, and how long it took."""
    counts = ", ".join(f"{count} {name}" for name, count in report.samples.items())
    lines = [
        f"=== {report.bundle}, {report.configuration}: {report.goal} ===",
        f"Samples: {counts}",
        *policy_lines(report),
        "",
        f"Chosen: {report.chosen}; {report.runs.configuration} comes first",
        *_runs(report),
        *fold_lines(report),
        f"Leave when score >= {_thresholds(report)}",
    ]
    if report.certificate is not None:
        lines.append(certificate_line(report.certificate))
    lines += [f"! {warning}" for warning in report.warnings]
    lines.append(
        f"Search {report.search_seconds:.1f} s of {report.seconds:.1f} s, at most {report.peak_bytes / 2**20:.0f} MiB"
    )
    what = report.bundle if report.written else "nothing written (--dry-run)"
    return "\n".join([*lines, f"PASSED | {what}"])


def fold_lines(report: "TuneReport") -> list[str]:
    """Rules for groups of a folded network, what answers owe to partners, and how well easy images are known."""
    from eerun.bench.table import aligned, number

    fold = report.fold
    if fold is None:
        return []
    rows: list[tuple[str, ...]] = [
        ("groups leave when", f"tune ms@{report.batch}", "drop", f"test ms@{report.batch}", "drop")
    ]
    for each in fold.rules:
        row = [f"{each.rule.value} passed" + (" →" if each.rule is fold.rule else "")]
        for split in (each.tune, each.test):
            row += ["-", "-"] if split is None else [number(split.batch_ms, 3), f"{split.drop:+.2%}"]
        rows.append(tuple(row))
    lines = [f"Folded by {fold.factor}; each rule with thresholds of its own:", *aligned(rows)]
    if fold.partners is not None:
        same = fold.partners
        lines.append(
            f"Partners: {same.exits_same:.2%} of {same.images} test images have the same answer in all of {same.deals} "
            f"random deals of groups ({same.final_same:.2%} at the final exit)"
        )
    if fold.easiness is not None:
        weak = "" if fold.easiness.rank_correlation >= WEAK else ", too weak for --grouping easy to bring much"
        lines.append(
            f"Easiness: predicted exits of {fold.easiness.images} tune images held out have a rank correlation of "
            f"{fold.easiness.rank_correlation:.2f} with the true ones{weak}; fitted to {report.runs.configuration}, "
            "used for every configuration"
        )
    return lines


def policy_lines(report: "TuneReport") -> list[str]:
    """One line for each policy that was tried."""
    from eerun.bench.table import aligned, number, share
    from eerun.bundle import TUNE_NAME

    head = (
        "",
        f"ms@{report.batch}",
        "p99",
        "ms@1",
        "drop",
        "agrees",
        f"ms@{report.batch}",
        "x",
        "x@1",
        "drop",
        "leave",
    )
    rows: list[tuple[str, ...]] = [("", "tune", "", "", "", "", "test", "", "", "", ""), head]
    best = {each.name: each for each in reversed(report.policies)}
    shown = [each for each in report.policies if best[each.name] is each]
    for index, each in enumerate(shown):
        tune, test = each.tune, each.test
        row = [_name(each) + (" →" if not index else " ✗" if each.refused else "")]
        row += [number(tune.batch_ms, 3), number(tune.batch_p99_ms, 3), number(tune.single_ms, 3)]
        row += [f"{tune.drop:+.2%}", share(tune.agreement, 2)]
        if test is None:
            row += ["-"] * 5
        else:
            row += [number(test.batch_ms, 3), f"{each.whole_ms / test.batch_ms:.2f}"]
            row += [f"{each.whole_single_ms / test.single_ms:.2f}", f"{test.drop:+.2%}"]
            row += [" / ".join(f"{part:.0%}" for part in test.shares)]
        rows.append(tuple(row))
    return [
        *aligned(rows),
        f"ms expected; x: times the speed of the fastest whole network ({report.fastest_whole}), which takes "
        f"{report.whole_ms:.2f} ms a batch of {report.batch}, {report.whole_single_ms:.2f} ms alone",
        "drop: relative to the final exit in float32; test chose nothing",
        *([] if len(shown) == len(report.policies) else [f"each policy with its best exits; {TUNE_NAME} has all"]),
        *(f"✗ {each.name}: {each.refused}" for each in report.policies if each.refused),
    ]


def _runs(report: "TuneReport") -> list[str]:
    """What the bundle runs now, by its own figures, and what skipping heads saves."""
    lines = []
    for name, split in (("tune", report.runs.tune), ("test", report.runs.test)):
        if split is not None:
            lines.append(
                f"On {name}: {split.batch_ms:.2f} ms a batch, {split.single_ms:.2f} ms alone, "
                f"drop {split.drop:+.2%}, agreement {split.agreement:.2%}"
            )
    chosen = report.policies[0]
    if chosen.every_head_ms is not None:
        lines.append(
            f"Skipped heads save {1 - chosen.tune.batch_ms / chosen.every_head_ms:.1%}: every head tested takes "
            f"{chosen.every_head_ms:.2f} ms"
        )
    return lines


def certificate_line(certificate: "CertificateReport") -> str:
    """The promise in words."""
    groups = "" if certificate.groups is None else f" in {certificate.groups} groups"
    text = (
        f"Promise: {certificate.risk} of at most {certificate.limit:.2%} with {certificate.confidence:.0%} confidence, "
        f"from {certificate.samples} samples{groups} ({certificate.certified} of {certificate.candidates} candidates "
        "kept it"
    )
    text += f"; the fastest of them: at most {certificate.bound:.2%}, {certificate.risk_certify:+.2%} seen"
    if certificate.risk_test is not None:
        text += f", {certificate.risk_test:+.2%} on test"
    return text + ")"


def _name(policy: "PolicyReport") -> str:
    return f"{policy.name}, {len(policy.exits)} exits{', heads apart' if policy.heads_apart else ''}"


def _thresholds(report: "TuneReport") -> str:
    exits = report.policies[0].exits
    return ", ".join(
        f"{'never' if value is None else f'{value:.4f}'} at {exit_}"
        for exit_, value in zip(exits, report.runs.thresholds, strict=False)
    )
