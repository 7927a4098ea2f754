"""Try every policy on the graphs of one shape."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from eecalib.exit_choice.merged_costs import merged_costs
from eecalib.trace import ExitTrace, Played, Recording, play
from eecalib.tuning import Candidate, TuningData, evaluate
from eecalib.tuning.batch_times import batch_times
from eecalib.tuning.goal import Goal
from eecalib.tuning.predictive_exit import skipping_saves
from eecalib.tuning.try_tuner import Tried, try_tuner
from eecalib.tuning.tuners import Tuner
from eecompile.stages import Stages
from eecompile.tune.report import PointReport, PolicyReport, SplitOutcome
from eecompile.tune.variant import Shape
from eengines.errors import DataError, UserError
from eerun.bundle import Manifest
from eerun.costs import CostTable
from eerun.folding import GroupExit

__all__ = ["ROUNDING", "Bench", "TriedPolicy", "mac_table", "refused", "report_of", "split_outcome", "try_policies"]

BATCHES = 4000
"""Drawn to see the slowest in a hundred."""

ROUNDING = 1e-9
"""Drops are quotients of counts; one that is met exactly is met."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """What policies are tried on: recordings of one shape, and its costs.

    Attributes:
        recording: of all exits of the bundle, with the right answers for labels.
        shape: which of them there are.
        costs: measured.
        macs: the same in millions of multiply-accumulates a sample, of a folded network an image; None: not known.
        names: of the exits of the bundle.
        batch: rows of the batches that are expected: samples, or groups of a folded network.
        whole: costs of the fastest whole network, as a chain of one segment; measured in the same run.
        seed: of everything that is drawn.
    """

    recording: Recording
    shape: Shape
    costs: CostTable
    macs: CostTable | None
    names: tuple[str, ...]
    batch: int
    whole: CostTable
    seed: int

    @property
    def fold(self) -> int:
        """Images a row; 1: the network is not folded."""
        return self.recording.splits["tune"].trace.fold

    @property
    def rule(self) -> GroupExit:
        """When a group of a folded network leaves."""
        return self.recording.splits["tune"].trace.rule

    @property
    def whole_ms(self) -> float:
        """Of a batch in the fastest whole network."""
        return self.whole.run_ms(0, self.batch)

    def data(self, split: str, *, macs: bool = False, batch: int | None = None) -> TuningData:
        """The recording of a split, with costs in milliseconds, or in multiply-accumulates."""
        found = self.recording.splits[split].of_exits(self.shape.kept)
        if macs and self.macs is None:
            raise UserError(
                "--budget-macs", "heads are graphs of their own, whose MACs are not known", "Give --budget-ms"
            )
        table = self.macs if macs and self.macs is not None else self.costs
        return TuningData(
            trace=found.trace,
            reference_right=found.reference_right,
            costs=table,
            batch=1 if macs else batch or self.batch,
            seed=self.seed,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class TriedPolicy:
    """A policy that was tried, and what it was tried on."""

    bench: Bench
    tuner: Tuner
    tried: Tried
    report: PolicyReport

    @property
    def against_whole(self) -> float:
        """Expected time on *tune*, as a share of what the fastest whole network took in the same run."""
        return self.report.tune.batch_ms / self.report.whole_ms


def try_policies(
    bench: Bench, tuners: Mapping[str, Tuner], goal: Goal, stages: Stages, *, in_macs: bool, max_tail: float | None
) -> list[TriedPolicy]:
    """Let every tuner look for the goal; those that cannot work here are left out, with a word.

    Args:
        bench: recordings and costs.
        tuners: by name.
        goal: what is asked for.
        stages: where progress is shown.
        in_macs: whether a budget is in multiply-accumulates.
        max_tail: see `TuneSettings`.
    """
    data, found = bench.data("tune", macs=in_macs), []
    for index, (name, tuner) in enumerate(tuners.items()):
        started = perf_counter()
        try:
            tried = try_tuner(tuner, data, goal)
        except (DataError, UserError) as error:
            stages.warn(f"policy {name} was left out: {error.where}: {error.problem}")
            continue
        seconds = perf_counter() - started
        report = report_of(bench, name, tried, goal, seconds=seconds, max_tail=max_tail)
        found.append(TriedPolicy(bench=bench, tuner=tuner, tried=tried, report=report))
        stages.progress((index + 1) / len(tuners))
    return found


def report_of(
    bench: Bench, name: str, tried: Tried, goal: Goal, *, seconds: float, max_tail: float | None
) -> PolicyReport:
    """What a tuner found, on *tune* and *test*."""
    data, candidate = bench.data("tune"), tried.candidate
    tune = split_outcome(bench, candidate, "tune")
    test = split_outcome(bench, candidate, "test") if "test" in bench.recording.splits else None
    units = int(bench.recording.splits["tune"].units.sum())
    points = [evaluate(each, data) for each in tried.frontier]
    skips = bench.shape.heads_apart and candidate.policy.skips_by is not None
    return PolicyReport(
        name=name,
        exits=tuple(bench.names[index] for index in (*bench.shape.kept, len(bench.names) - 1)),
        heads_apart=bench.shape.heads_apart,
        asked_drop=tried.asked_drop,
        held_out_drop=tried.held_out_drop,
        thresholds=candidate.thresholds,
        tune=tune,
        test=test,
        every_head_ms=skipping_saves(candidate, data)[1] if skips else None,
        frontier=tuple(PointReport(batch_ms=p.expected_ms, accuracy=p.correct / units) for p in points),
        seconds=seconds,
        whole_ms=bench.whole_ms,
        whole_single_ms=bench.whole.run_ms(0, 1),
        refused=refused(tune, goal, None if max_tail is None else bench.whole_ms * (1 + max_tail)),
    )


def refused(tune: SplitOutcome, goal: Goal, longest_ms: float | None) -> str | None:
    """Why an outcome on *tune* cannot be chosen, or None.

    Args:
        tune: the outcome.
        goal: what is asked for.
        longest_ms: what one batch in a hundred may take; None: no limit.
    """
    if goal.max_drop is not None and tune.drop > goal.max_drop + ROUNDING:
        return f"{tune.drop:.2%} is lost on tune even so, allowed are {goal.max_drop:.2%}"
    if longest_ms is not None and tune.batch_p99_ms > longest_ms:
        return f"one batch in a hundred takes {tune.batch_p99_ms:.2f} ms, allowed are {longest_ms:.2f}"
    return None


def split_outcome(bench: Bench, candidate: Candidate, split: str, played: Played | None = None) -> SplitOutcome:
    """What a candidate gives on one split; `played` is what its exits say, if the caller has it."""
    data, recorded = bench.data(split), bench.recording.splits[split]
    played = play(candidate.policy, data.trace) if played is None else played
    outcome = evaluate(candidate, data, played)
    times = batch_times(outcome.left, played.tested_rows, data.costs, batch=data.batch, batches=BATCHES, seed=data.seed)
    macs = None if bench.macs is None else evaluate(candidate, bench.data(split, macs=True), played).expected_ms
    said = played.table.answers[np.arange(data.samples), outcome.exit_index]
    return SplitOutcome(
        accuracy=outcome.correct / int(recorded.units.sum()),
        drop=1 - outcome.correct / max(1, data.reference_correct),
        agreement=float((said == recorded.float32).mean()),
        batch_ms=outcome.expected_ms,
        batch_p99_ms=float(np.quantile(times, 0.99)),
        single_ms=_alone_ms(bench, candidate, split, played),
        macs=macs,
        shares=outcome.shares,
        tested=outcome.tested,
    )


def _alone_ms(bench: Bench, candidate: Candidate, split: str, played: Played) -> float:
    """Expected milliseconds of one sample alone; an image of a folded network has a row for itself then."""
    data, trace = bench.data(split, batch=1), bench.data(split).trace
    if isinstance(trace, ExitTrace) and trace.fold > 1:
        data = replace(data, trace=replace(trace, fold=1))
        played = replace(played, table=replace(played.table, fold=1))
    return evaluate(candidate, data, played).expected_ms


def mac_table(manifest: Manifest, shape: Shape) -> CostTable | None:
    """Millions of multiply-accumulates a sample of each segment, as costs of one row; None: heads are apart.

    An image of a folded network takes its share of a row.
    """
    if shape.heads_apart:
        return None
    segments, a_sample = manifest.segments, 1e6 * manifest.images_a_row
    table = CostTable(
        engine="macs",
        precision="macs",
        device="any",
        buckets=(1,),
        segment_ms=tuple((entry.macs / a_sample,) for entry in segments),
        whole_ms=(manifest.whole_macs / a_sample,),
        move_ms=(0.0,) * (len(segments) - 1),
    )
    return table if len(shape.kept) == len(segments) - 1 else merged_costs(table, shape.kept)
