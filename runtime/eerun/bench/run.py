"""One bench run from settings to result."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from eengines.threads import threads_or_default
from eerun.bench.contestants import Contestants
from eerun.bench.cost_meter import CostMeter
from eerun.bench.environment import environment
from eerun.bench.measure import CHAIN, EXITS_OFF, WHOLE, Measured, measure
from eerun.bench.oracle import break_even_share, oracle_ms
from eerun.bench.result import BenchResult, Subject
from eerun.bench.rivals import Rival, load_rival
from eerun.bench.run_warnings import run_warnings
from eerun.bench.settings import BenchSettings
from eerun.bench.split_to_bench import SplitToBench, load_test_split
from eerun.bench.statistics import paired_ratio, tail_ratio
from eerun.bench.summarise import (
    summarise_contestant,
    summarise_exits,
    summarise_quality,
    summarise_segments,
    summarise_trials,
)
from eerun.bench.summarise_rival import summarise_rival
from eerun.bundle import Bundle, find_bundle, open_bundle
from eerun.configuration import Configuration, choose_configuration
from eerun.costs import CostTable

__all__ = ["run_bench"]

FORMAT = "eerun.bench/1.0"
NS_PER_MS = 1e6
HEADLINE_PERCENT = 90


def run_bench(settings: BenchSettings, progress: Callable[[float], None]) -> BenchResult:
    """Measure a bundle against its rivals.

    Args:
        settings: what the user chose.
        progress: called between batches with the share of the run that is over; it should return quickly.

    Raises:
        UserError: settings or data cannot be used.
        BundleError: the bundle is damaged.
        EngineError: the engine is missing or fails.
    """
    bundle = open_bundle(settings.bundle or find_bundle(Path.cwd()))
    split = load_test_split(bundle, settings.data)
    way = choose_configuration(bundle, engine=settings.engine, precision=settings.precision)
    threads = threads_or_default(settings.threads)
    contestants = Contestants(way, threads=threads)
    rival = _rival(bundle, contestants, settings, threads)
    meter = CostMeter(contestants.chain, contestants.whole, contestants.model.costs, batch=settings.batch_size)
    named = {
        CHAIN: contestants.with_exits,
        WHOLE: contestants.whole_network,
        EXITS_OFF: contestants.without_exits,
    }
    measured = measure(named, rival, meter, split.samples.inputs, settings, progress)
    subject = _subject(way, split, contestants.policy, threads, settings)
    return _result(settings, subject, contestants, split, measured, meter.table())


def _rival(bundle: Bundle, contestants: Contestants, settings: BenchSettings, threads: int) -> Rival | None:
    """Load the rival of `--against`; it uses the thresholds of the bundle."""
    if settings.against is None:
        return None
    return load_rival(
        settings.against,
        settings.model or bundle.path.resolve().parent / Path(bundle.manifest.source).name,
        factory=settings.factory,
        thresholds=contestants.model.thresholds,
        policy=contestants.policy,
        threads=threads,
    )


def _subject(way: Configuration, split: SplitToBench, policy: str, threads: int, settings: BenchSettings) -> Subject:
    manifest = way.bundle.manifest
    return Subject(
        bundle=str(way.bundle.path),
        model=manifest.source,
        engine=way.backend.name,
        precision=way.entry.precision,
        threads=threads,
        batch=settings.batch_size,
        policy=policy,
        macs=tuple(segment.macs for segment in manifest.segments),
        whole_macs=manifest.whole_macs,
        data=split.source,
        data_sha256=split.sha256,
        data_of_build=split.of_build,
    )


def _result(
    settings: BenchSettings,
    subject: Subject,
    contestants: Contestants,
    split: SplitToBench,
    measured: Measured,
    costs: CostTable,
) -> BenchResult:
    """Summarise the raw measurements."""
    names, labels = contestants.model.manifest.exits, split.samples.labels
    chain, whole, exits_off = (measured.times_ns[name].astype(np.float64) for name in (CHAIN, WHOLE, EXITS_OFF))
    oracle = np.array([sum(oracle_ms(costs, part) for part in parts) for parts in measured.steps]) * NS_PER_MS
    batch, seed = subject.batch, settings.seed
    result = BenchResult(
        format=FORMAT,
        environment=environment(),
        settings=settings,
        subject=subject,
        chain=summarise_contestant(measured.times_ns[CHAIN], batch),
        whole=summarise_contestant(measured.times_ns[WHOLE], batch),
        exits_off=summarise_contestant(measured.times_ns[EXITS_OFF], batch),
        speedup=paired_ratio(whole, chain, batch=batch, seed=seed),
        tail_speedup=tail_ratio(whole, chain, percent=HEADLINE_PERCENT, seed=seed),
        hard_input=paired_ratio(exits_off, whole, batch=batch, seed=seed),
        oracle=paired_ratio(chain, oracle, batch=batch, seed=seed),
        oracle_ms=float(oracle.mean()) / NS_PER_MS,
        quality=summarise_quality(measured, labels),
        exits=summarise_exits(measured, labels, names, contestants.model.thresholds),
        segments=summarise_segments(measured.steps, names),
        costs=costs,
        break_even_share=break_even_share(costs, batch),
        rival=None if settings.against is None else summarise_rival(settings.against, measured, batch=batch, seed=seed),
        trials=summarise_trials(measured, batch=batch, macs=subject.macs),
        wall_s=measured.wall_ns / 1e9,
        warnings=split.warnings,
    )
    return replace(result, warnings=(*split.warnings, *run_warnings(result, contestants.model.costs)))
