"""From raw measurements to what each exit, segment and contestant did."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eerun.bench.measure import CHAIN, Measured, Parts
from eerun.bench.result import ExitSummary, SegmentSummary, Trial
from eerun.bench.shares import share_alike
from eerun.bench.speeds import ContestantSummary
from eerun.bench.statistics import Latency, percentile
from eerun.bench.unfolded import UNFOLDED
from eerun.data import Labels
from eerun.executor import Step

__all__ = [
    "macs_of",
    "summarise_contestant",
    "summarise_exits",
    "summarise_segments",
    "summarise_trials",
]

TRIALS = 10
NS_PER_S, NS_PER_MS, NS_PER_US = 1e9, 1e6, 1e3


def summarise_contestant(times_ns: NDArray[np.int64], batch: int) -> ContestantSummary:
    """Speed of one contestant from the times `[batches]` of its calls."""
    total_s = float(times_ns.sum()) / NS_PER_S
    return ContestantSummary(
        batches=len(times_ns),
        samples=len(times_ns) * batch,
        total_s=total_s,
        samples_per_s=len(times_ns) * batch / total_s,
        latency=Latency.of(times_ns),
    )


def summarise_exits(
    measured: Measured,
    labels: Labels | None,
    names: Sequence[str],
    thresholds: Sequence[float | None],
    *,
    fastest: str,
    ignored: int | None,
) -> tuple[ExitSummary, ...]:
    """Share, accuracy and agreement with the fastest whole network from one pass; latencies from all batches."""
    chain, whole, index = measured.labels[CHAIN], measured.labels[fastest], measured.exit_index
    summaries = []
    for exit_, (name, threshold) in enumerate(zip(names, (*thresholds, None), strict=True)):
        here = index == exit_
        times = _answered_ms(measured.steps, exit_)
        summaries.append(
            ExitSummary(
                name=name,
                threshold=threshold,
                share=float(here.mean()),
                percentile_50_ms=percentile(times, 50) if len(times) else None,
                percentile_90_ms=percentile(times, 90) if len(times) else None,
                percentile_99_ms=percentile(times, 99) if len(times) else None,
                accuracy=None if labels is None else _share(chain[here], labels[here], ignored),
                agreement=_share(chain[here], whole[here], None),
            )
        )
    return tuple(summaries)


def summarise_segments(steps: Sequence[Parts], names: Sequence[str]) -> tuple[SegmentSummary, ...]:
    """Mean rows and times of each segment over all parts of all batches."""
    parts = [part for batch in steps for part in batch]
    return tuple(
        _summarise_segment(name, [part[segment] for part in parts if len(part) > segment], len(parts))
        for segment, name in enumerate(names)
    )


def summarise_trials(
    measured: Measured, baselines: Sequence[str], *, batch: int, macs: Sequence[int]
) -> tuple[Trial, ...]:
    """Divide the run into ten consecutive parts, fewer if there are fewer batches."""
    count = len(measured.steps)
    done = macs_of(measured.steps, macs)
    plain_s = measured.times_ns.get(UNFOLDED)
    return tuple(
        Trial(
            samples=len(rows) * batch,
            chain_s=float(measured.times_ns[CHAIN][rows].sum()) / NS_PER_S,
            baselines_s={name: float(measured.times_ns[name][rows].sum()) / NS_PER_S for name in baselines},
            chain_macs_per_sample=float(done[rows].sum()) / (len(rows) * batch),
            unfolded_s=None if plain_s is None else float(plain_s[rows].sum()) / NS_PER_S,
        )
        for rows in np.array_split(np.arange(count), min(TRIALS, count))
    )


def macs_of(steps: Sequence[Parts], macs: Sequence[int]) -> NDArray[np.float64]:
    """Multiply-accumulates of the rows that were alive, `[batches] float64`; `macs` are those a row of each segment."""
    done = [sum(step.entered * macs[step.segment] for part in parts for step in part) for parts in steps]
    return np.array(done, np.float64)


def _answered_ms(steps: Sequence[Parts], exit_: int) -> NDArray[np.float64]:
    """Milliseconds from the start of its batch until the answer was there, of every sample that an exit answered."""
    reached = [part[exit_] for parts in steps for part in parts if len(part) > exit_]
    times, answers = [step.answered_ns for step in reached], [step.answers for step in reached]
    return np.repeat(np.array(times, np.float64) / NS_PER_MS, answers)


def _summarise_segment(name: str, ran: Sequence[Step], parts: int) -> SegmentSummary:
    """Means over the runs of one segment."""
    if not ran:
        return SegmentSummary(
            exit=name,
            reached=0.0,
            rows_in=None,
            survivors_in=None,
            survivors_out=None,
            run_ms=None,
            boundary_us=None,
        )
    return SegmentSummary(
        exit=name,
        reached=len(ran) / parts,
        rows_in=fmean(step.rows for step in ran),
        survivors_in=fmean(step.entered for step in ran),
        survivors_out=fmean(step.entered - step.left for step in ran),
        run_ms=fmean(step.run_ns for step in ran) / NS_PER_MS,
        boundary_us=fmean(step.boundary_ns for step in ran) / NS_PER_US,
    )


def _share(answers: NDArray[Any], reference: NDArray[Any], ignored: int | None) -> float | None:
    """Share of answers that are the reference's; None for no samples."""
    return share_alike(answers, reference, ignored) if len(answers) else None
