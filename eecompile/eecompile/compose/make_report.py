"""From what was found to the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eecalib.composition import Binding, CandidateHeads, Composition, Limits
from eecalib.exit_table import ExitTable
from eecalib.tuning import Outcome, evaluate
from eecompile.compose.report import ComposeReport, CompositionReport, HeadReport, LimitReport
from eecompile.compose.settings import ComposeSettings
from eecompile.compose.subject import Subject

__all__ = ["Found", "make_report"]

FLAGS = {
    "max_tail": "--max-tail",
    "max_memory_bytes": "--max-memory",
    "min_precision": "--min-precision",
    "max_exits": "--max-exits",
}
"""Field of `Limits` -> flag."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What a search left.

    Attributes:
        tune: the heads on *tune*.
        test: the same on *test*.
        table: what all heads say on *tune* under the policy.
        chosen: the composition.
        others: compositions to compare it with, by name, settled for the same drop.
        limited_by: limits that cost time.
        exact: whether all compositions were looked at.
        seconds: how long it took.
    """

    tune: CandidateHeads
    test: CandidateHeads
    table: ExitTable
    chosen: Composition
    others: Mapping[str, Composition]
    limited_by: Sequence[Binding]
    exact: bool
    seconds: float


def make_report(subject: Subject, found: Found, settings: ComposeSettings, seconds: float) -> ComposeReport:
    """Return the report as it is before anything is written.

    Args:
        subject: what was composed.
        found: what the search left.
        settings: what the user chose.
        seconds: of the whole run so far.
    """
    trunk = found.tune.trunk
    writes = settings.output is not None and bool(found.chosen.kept)
    return ComposeReport(
        model=str(subject.path),
        output=str(settings.output) if writes else None,
        prune=settings.prune,
        engine=trunk.engine,
        precision=trunk.precision,
        device=trunk.device,
        policy=settings.policy,
        limits=settings.limits,
        measure="agreement" if subject.agreement else "accuracy",
        batch=settings.batch,
        samples={name: len(samples) for name, samples in subject.splits.items()},
        whole_ms=found.tune.whole_ms,
        asked_drop=found.chosen.asked_drop,
        exact=found.exact,
        heads=_heads(subject, found),
        chosen=_composition("composed", found.chosen, found, subject, settings.limits),
        others=tuple(_composition(name, each, found, subject, settings.limits) for name, each in found.others.items()),
        limited_by=tuple(LimitReport(flag=FLAGS[each.limit], share=each.share) for each in found.limited_by),
        search_seconds=found.seconds,
        seconds=seconds,
    )


def _composition(name: str, each: Composition, found: Found, subject: Subject, limits: Limits) -> CompositionReport:
    """One composition on both splits."""
    tune, test = (_outcome(heads, each) for heads in (found.tune, found.test))
    return CompositionReport(
        name=name,
        heads=tuple(subject.attachment.heads[index].name for index in each.kept),
        keeps_limits=found.tune.keeps(limits, each.kept),
        tune_ms=tune.expected_ms,
        test_ms=test.expected_ms,
        tune_drop=_drop(found.tune, tune),
        test_drop=_drop(found.test, test),
        full_ms=found.tune.full_ms(each.kept),
        memory_bytes=found.tune.memory_bytes(each.kept),
    )


def _outcome(heads: CandidateHeads, each: Composition) -> Outcome:
    return evaluate(each.candidate, heads.data(each.kept))


def _drop(heads: CandidateHeads, outcome: Outcome) -> float:
    return 1 - outcome.correct / max(1, int(heads.reference_right.sum()))


def _heads(subject: Subject, found: Found) -> tuple[HeadReport, ...]:
    """All candidates."""
    heads, table, chosen = found.tune, found.table, found.chosen
    index = _outcome(heads, chosen).exit_index
    good = np.maximum(table.correct, table.agreeing)
    labels = subject.splits["tune"].labels
    rows = []
    for number, head in enumerate(subject.attachment.heads):
        exit_ = chosen.kept.index(number) if number in chosen.kept else None
        leaving = np.zeros(len(index), np.bool_) if exit_ is None else index == exit_
        answers, row = table.answers[:, number], heads.head_ms[number]
        rows.append(
            HeadReport(
                name=head.name,
                tap=head.tap,
                label=head.label,
                agreement=float((answers == table.answers[:, -1]).mean()),
                accuracy=None if labels is None else float((answers == labels).mean()),
                single_ms=row[0],
                batch_ms=row[-1],
                memory_bytes=heads.head_bytes[number],
                chosen=exit_ is not None,
                share=None if exit_ is None else float(leaving.mean()),
                precision=float(good[leaving, number].mean()) if leaving.any() else None,
                threshold=None if exit_ is None else chosen.candidate.thresholds[exit_],
            )
        )
    return tuple(rows)
