"""From raw measurements to where groups leave, and to what folding brings against the same network unfolded."""

import numpy as np

from eerun.bench.best_groups import answered_by, best_groups, groups_ms
from eerun.bench.contestants import ChainContestants
from eerun.bench.file_names import without_folder
from eerun.bench.folding import FoldingSummary, UnfoldedSummary
from eerun.bench.heats import Field
from eerun.bench.measure import CHAIN, Measured
from eerun.bench.oracle import oracle_ms
from eerun.bench.shares import share_alike
from eerun.bench.statistics import PairedRatio, paired_ratio
from eerun.bench.summarise import macs_of, summarise_contestant
from eerun.bench.summarise_grouping import groups_left, summarise_grouping
from eerun.bench.unfolded import UNFOLDED, Unfolded
from eerun.costs import CostTable
from eerun.data import Labels
from eerun.folding import rows_of

__all__ = ["summarise_folding"]


def summarise_folding(  # noqa: PLR0913 - a keyword for each thing that it is made of
    chain: ChainContestants,
    field: Field,
    measured: Measured,
    costs: CostTable,
    labels: Labels | None,
    unfolded: Unfolded | None,
    *,
    batch: int,
    seed: int,
) -> FoldingSummary | None:
    """Say how the network is folded and what that brings; None: it is not.

    Args:
        chain: the chain.
        field: the whole networks of the run.
        measured: raw results.
        costs: `T_k(b)` as measured in this run.
        labels: `[samples]` or None.
        unfolded: the unfolded bundle of the run.
        batch: images a batch.
        seed: seed of the run.
    """
    fold = chain.way.bundle.manifest.fold
    if fold is None:
        return None
    rule, exits = chain.way.policy().group_exit, chain.executor.segments
    best = [best_groups(answered_by(parts), fold=fold.factor, rule=rule) for parts in measured.steps]
    best_ms = [
        min(groups_ms(costs, groups), sum(oracle_ms(costs, part) for part in parts))
        for groups, parts in zip(best, measured.steps, strict=True)
    ]
    at_best = np.bincount(np.concatenate(best), minlength=exits)
    return FoldingSummary(
        factor=fold.factor,
        widths=fold.widths,
        group_exit=rule.value,
        grouping=chain.model.grouping.value,
        groups=rows_of(batch, fold.factor),
        left=groups_left(measured.steps, exits),
        left_at_best=tuple((at_best / at_best.sum()).tolist()),
        oracle_ms_at_best=float(np.mean(best_ms)),
        groupings=summarise_grouping(chain.model.grouping, measured, labels, exits=exits, batch=batch, seed=seed),
        unfolded=None if unfolded is None else _summarise(unfolded, field, measured, labels, batch=batch, seed=seed),
    )


def _summarise(
    unfolded: Unfolded, field: Field, measured: Measured, labels: Labels | None, *, batch: int, seed: int
) -> UnfoldedSummary:
    """Compare the unfolded chain and its fastest whole network with what is folded."""
    manifest = unfolded.bundle.manifest

    def fastest(names: tuple[str, ...]) -> str:
        return min(names, key=lambda name: int(measured.times_ns[name].sum()))

    def ratio(slow: str, fast: str) -> PairedRatio:
        over, under = (measured.times_ns[name].astype(np.float64) for name in (slow, fast))
        return paired_ratio(over, under, batch=batch, seed=seed)

    whole, folded_whole = fastest(field.unfolded), fastest(tuple(field.of_bundle()))
    answers, times = measured.labels[UNFOLDED], measured.times_ns[UNFOLDED]
    macs = macs_of(measured.unfolded_steps, [segment.macs for segment in manifest.segments])
    return UnfoldedSummary(
        bundle=without_folder(unfolded.bundle.path),
        engine=unfolded.chain.way.engine,
        precision=unfolded.chain.way.entry.precision,
        chain=summarise_contestant(times, batch),
        chain_macs_per_sample=float(macs.sum()) / (len(times) * batch),
        whole_macs=manifest.whole_macs,
        accuracy=None if labels is None else share_alike(answers, labels),
        agreement=share_alike(answers, measured.labels[CHAIN]),
        whole=whole,
        folded_whole=folded_whole,
        chain_by_chain=ratio(UNFOLDED, CHAIN),
        chain_by_whole=ratio(whole, CHAIN),
        whole_by_whole=ratio(whole, folded_whole),
    )
