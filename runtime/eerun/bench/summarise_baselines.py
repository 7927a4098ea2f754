"""What each whole network of the run did, and which was the fastest."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from eerun.bench.heats import Field
from eerun.bench.measure import CHAIN, Measured
from eerun.bench.shares import share_alike
from eerun.bench.speeds import BaselineSummary
from eerun.bench.statistics import paired_ratio, tail_ratio
from eerun.bench.summarise import summarise_contestant
from eerun.costs import CostTable
from eerun.data import Labels

__all__ = ["HEADLINE_PERCENT", "against_fastest", "fastest_of", "summarise_baselines"]

HEADLINE_PERCENT = 90


def fastest_of(field: Field, measured: Measured) -> str:
    """Name of the whole network with the least total time, folded or not."""
    return min(field.raced, key=lambda name: int(measured.times_ns[name].sum()))


def summarise_baselines(
    field: Field, measured: Measured, labels: Labels | None, *, batch: int, seed: int, ignored: int | None
) -> dict[str, BaselineSummary]:
    """Compare every whole network of the run with the chain.

    Args:
        field: the whole networks.
        measured: raw results.
        labels: `[samples, *map]` or None.
        batch: samples a batch.
        seed: seed of the bootstrap.
        ignored: the label of pixels that do not count, or None.
    """
    chain = measured.times_ns[CHAIN].astype(np.float64)
    summaries = {}
    for name, network in field.raced.items():
        times, answers = measured.times_ns[name], measured.labels[name]
        summaries[name] = BaselineSummary(
            engine=network.way.engine,
            precision=network.way.entry.precision,
            speed=summarise_contestant(times, batch),
            speedup=paired_ratio(times.astype(np.float64), chain, batch=batch, seed=seed),
            tail_speedup=tail_ratio(times.astype(np.float64), chain, percent=HEADLINE_PERCENT, seed=seed),
            accuracy=None if labels is None else share_alike(answers, labels, ignored),
            agreement=share_alike(answers, measured.labels[CHAIN]),
            unfolded=name in field.unfolded,
        )
    return summaries


def against_fastest(costs: CostTable, baselines: Mapping[str, BaselineSummary], *, own: str, fastest: str) -> CostTable:
    """Return a cost table with the fastest whole network in place of the chain's own.

    Only the own one is measured bucket by bucket; its times are scaled by the ratio of the two totals of the run, in
    which both have the same copies and checks.
    """
    scale = baselines[fastest].speed.total_s / baselines[own].speed.total_s
    return replace(costs, whole_ms=tuple(ms * scale for ms in costs.whole_ms))
