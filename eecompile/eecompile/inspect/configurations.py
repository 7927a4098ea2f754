"""The ways to run a bundle, as text."""

from collections.abc import Sequence

from eecompile.build.report import BuildReport, TrialReport
from eecompile.inspect.wrapped import listed
from eerun.answer_unit import accuracy_words
from eerun.bench.table import aligned, number, share
from eerun.bundle import Bundle, ConfigurationEntry
from eerun.costs import CostTable

__all__ = ["configuration_lines", "costs_lines"]


def configuration_lines(bundle: Bundle, report: BuildReport) -> list[str]:
    """One line for each configuration, the first is taken where it runs, and their policies with thresholds."""
    entries = bundle.manifest.configurations
    head = ["", "whole", "nobody leaves", "exits on", "as float32", "final exit", "exits on"]
    rows = [head, *(_row(bundle, report, entry) for entry in entries)]
    rows[1][0] += " →"
    policies = [bundle.policy(entry) for entry in entries]
    named = aligned([(_words(entry), policy.policy) for entry, policy in zip(entries, policies, strict=True)])
    return [
        f"---- {len(entries)} configuration(s): ms of a batch of {report.batch}, answers ----",
        *aligned(rows),
        "→ comes first; exits on: expected, on tune; as float32: same final answer, on tune; "
        f"{accuracy_words(report.task)} on test",
        "",
        "---- Policy and thresholds: leave when score >= ----",
        *(
            line
            for name, policy in zip(named, policies, strict=True)
            for line in listed(name + " ", map(_threshold, policy.thresholds))
        ),
    ]


def costs_lines(bundle: Bundle) -> list[str]:
    """What the first configuration takes, by batch size."""
    entry, fold = bundle.manifest.configurations[0], bundle.manifest.images_a_row
    tables = bundle.length_costs(entry)
    if not tables:
        return _cost_lines(bundle.costs(entry), "", fold=fold)
    lines = _cost_lines(bundle.costs(entry), ", expected of samples as in tune", fold=fold)
    for length, costs in tables.items():
        lines += _cost_lines(costs, f", length {length}", fold=fold)
    return lines


def _cost_lines(costs: CostTable, note: str, *, fold: int) -> list[str]:
    rows = [["batch", *(str(bucket * fold) for bucket in costs.buckets)]]
    rows += [[f"segment {index}", *(number(ms, 3) for ms in row)] for index, row in enumerate(costs.segment_ms)]
    rows += [[f"head {index}", *(number(ms, 3) for ms in row)] for index, row in enumerate(costs.head_ms)]
    rows += [["whole", *(number(ms, 3) for ms in costs.whole_ms)]]
    return [f"---- ms measured: {costs.engine} {costs.precision} on {costs.device}{note} ----", *aligned(rows)]


def _row(bundle: Bundle, report: BuildReport, entry: ConfigurationEntry) -> list[str]:
    costs, rows = bundle.costs(entry), report.batch // bundle.manifest.images_a_row
    trial = _trial(report, entry)
    test = None if trial is None else trial.test
    return [
        _words(entry),
        number(_at(rows, costs, [costs.whole_ms]), 2),
        number(_at(rows, costs, [*costs.segment_ms, *costs.head_ms]), 2),
        number(None if trial is None else trial.expected_ms, 2),
        share(entry.agreement, 2),
        share(None if test is None else test.accuracy_final, 2),
        share(None if test is None else test.accuracy, 2),
    ]


def _at(batch: int, costs: CostTable, parts: Sequence[Sequence[float]]) -> float | None:
    """The sum of some parts at a number of rows of the graphs; None: it is none of the buckets."""
    return sum(part[costs.buckets.index(batch)] for part in parts) if batch in costs.buckets else None


def _trial(report: BuildReport, entry: ConfigurationEntry) -> TrialReport | None:
    """What the build measured of a configuration; nothing of those of cards."""
    if entry.device is not None:
        return None
    found = (t for t in report.trials if (t.engine, t.precision) == (entry.engine, entry.precision))
    return next(found, None)


def _words(entry: ConfigurationEntry) -> str:
    return f"{entry.engine} {entry.precision}" + ("" if entry.device is None else f", {entry.device.name}")


def _threshold(value: float | None) -> str:
    return "nobody" if value is None else f"{value:.6g}"
