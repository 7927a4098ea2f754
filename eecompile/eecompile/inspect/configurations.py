"""The ways to run a bundle, as text."""

from eecompile.build.report import BuildReport, TrialReport
from eecompile.inspect.wrapped import listed
from eerun.bench.table import aligned, number, share
from eerun.bundle import Bundle, ConfigurationEntry

__all__ = ["configuration_lines", "costs_lines"]


def configuration_lines(bundle: Bundle, report: BuildReport) -> list[str]:
    """One line for each configuration, the chosen one first, and their thresholds."""
    entries = bundle.manifest.configurations
    head = ["", "whole", "nobody leaves", "exits on", "as float32", "final exit", "exits on"]
    rows = [head, *(_row(bundle, report, entry) for entry in entries)]
    rows[1][0] += " →"
    policies = {entry: bundle.policy(entry) for entry in entries}
    width = max(len(_words(entry)) for entry in entries)
    return [
        f"---- {len(entries)} configuration(s): ms of a batch of {report.batch}, answers ----",
        *aligned(rows),
        "→ chosen; exits on: expected, on tune; as float32: same final answer, on tune; accuracy on test",
        "",
        f"---- Thresholds of {policies[entries[0]].policy}: leave when score >= ----",
        *(
            line
            for entry, policy in policies.items()
            for line in listed(_words(entry).ljust(width) + " ", map(_threshold, policy.thresholds))
        ),
    ]


def costs_lines(bundle: Bundle) -> list[str]:
    """What the chosen configuration takes, by batch size."""
    costs = bundle.costs(bundle.manifest.configurations[0])
    rows = [["batch", *map(str, costs.buckets)]]
    rows += [[f"segment {index}", *(number(ms, 3) for ms in row)] for index, row in enumerate(costs.segment_ms)]
    rows += [["whole", *(number(ms, 3) for ms in costs.whole_ms)]]
    return [f"---- ms measured: {costs.engine} {costs.precision} on {costs.device} ----", *aligned(rows)]


def _row(bundle: Bundle, report: BuildReport, entry: ConfigurationEntry) -> list[str]:
    costs = bundle.costs(entry)
    trial = _trial(report, entry)
    test = None if trial is None else trial.test
    return [
        _words(entry),
        number(costs.whole_ms[-1], 2),
        number(sum(row[-1] for row in costs.segment_ms), 2),
        number(None if trial is None else trial.expected_ms, 2),
        share(entry.agreement, 2),
        share(None if test is None else test.accuracy_final, 2),
        share(None if test is None else test.accuracy, 2),
    ]


def _trial(report: BuildReport, entry: ConfigurationEntry) -> TrialReport | None:
    """What the build measured of a configuration."""
    found = (t for t in report.trials if (t.engine, t.precision) == (entry.engine, entry.precision))
    return next(found, None)


def _words(entry: ConfigurationEntry) -> str:
    return f"{entry.engine} {entry.precision}"


def _threshold(value: float | None) -> str:
    return "nobody" if value is None else f"{value:.6g}"
