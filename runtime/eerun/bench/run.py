"""One bench run from settings to result."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np

from eengines.device import Device
from eengines.threads import threads_or_default
from eerun.bench.contestants import ChainContestants, Contestant
from eerun.bench.environment import environment
from eerun.bench.gpu_card import BenchCard
from eerun.bench.gpu_measure import bench_card, measure_gpu
from eerun.bench.heats import Field, run_heats
from eerun.bench.length_meter import Meter, make_meter
from eerun.bench.measure import CHAIN, EXITS_OFF, PADDED, REGROUPED, Measured, measure, padded_name
from eerun.bench.oracle import break_even_share, oracle_ms
from eerun.bench.result import BenchResult
from eerun.bench.rival_model import rival_model
from eerun.bench.rivals import Rival, load_rival
from eerun.bench.run_warnings import run_warnings
from eerun.bench.settings import BenchSettings
from eerun.bench.split_to_bench import SplitToBench, load_test_split
from eerun.bench.statistics import paired_ratio
from eerun.bench.subject import Subject, subject_of
from eerun.bench.summarise import summarise_contestant, summarise_exits, summarise_segments, summarise_trials
from eerun.bench.summarise_baselines import against_fastest, fastest_of, summarise_baselines
from eerun.bench.summarise_folding import summarise_folding
from eerun.bench.summarise_padding import summarise_padding
from eerun.bench.summarise_quality import float32_answers, summarise_quality
from eerun.bench.summarise_rival import summarise_rival
from eerun.bench.unfolded import UNFOLDED, Unfolded, load_unfolded
from eerun.bundle import Bundle, find_bundle, open_bundle
from eerun.choose_configuration import choose_configuration
from eerun.data import check_labels, ignored_label
from eerun.folding import rows_of
from eerun.open_grouped import weakness_of

__all__ = ["run_bench"]

FORMAT = "eerun.bench/2.3"
"""2.3 added `folding`, `fold` to `subject` and `unfolded` to baselines; rows of folded networks are groups of images.
2.2 added `unit` and mean IoU to `quality`, and `padding`.
2.1 added `gpu`, and `driver` to `environment`; see `eerun.bench.gpu_result`."""
NS_PER_MS = 1e6


def run_bench(
    settings: BenchSettings,
    progress: Callable[[float], None],
    device: Device | None = None,
    card: BenchCard | None = None,
) -> BenchResult:
    """Measure a bundle against its rivals.

    Args:
        settings: what the user chose.
        progress: called between batches with the share of the run that is over; it should return quickly.
        device: an open device in place of the number in the settings.
        card: what to ask about clocks and energy, in place of the device's own.

    Raises:
        UserError: settings or data cannot be used.
        BundleError: the bundle is damaged.
        EngineError: the engine is missing or fails.
    """
    bundle = open_bundle(settings.bundle or find_bundle(Path.cwd()))
    split = load_test_split(bundle, settings.data)
    way = choose_configuration(
        bundle, engine=settings.engine, precision=settings.precision, device=settings.on_device(device)
    )
    threads, inputs = threads_or_default(settings.threads), split.samples.inputs
    chain = ChainContestants(way, threads=threads, grouping=settings.grouping)
    check_labels(split.samples.labels, chain.executor.output_shape, source=f"{split.source}, split test")
    rival = _rival(bundle, chain, settings, threads)
    unfolded = load_unfolded(chain, settings, threads=threads, device=settings.on_device(device))
    other = None if unfolded is None else unfolded.bundle
    field = run_heats(way, inputs, settings, threads=threads, device=settings.on_device(device), unfolded=other)
    meter = make_meter(chain, field.raced[field.own], inputs, batch=settings.batch_size)
    card = bench_card(chain, card)
    with nullcontext() if card is None else card.watching():
        output = chain.executor.output_shape
        measured = measure(
            _contestants(chain, field, unfolded, settings), rival, meter, inputs, settings, progress, output=output
        )
    subject = subject_of(chain, split, settings, threads=threads)
    result = _result(settings, subject, chain, split, field, measured, meter, unfolded=unfolded)
    if card is not None:
        gpu = measure_gpu(chain, field, result.fastest, card, inputs, settings)
        result = replace(result, gpu=gpu, environment=replace(result.environment, driver=gpu.driver))
    of_unfolded = () if unfolded is None else unfolded.warnings(split)
    weak = weakness_of(bundle, settings.grouping)
    of_grouping = () if weak is None else (f"Grouping {settings.grouping.value}: {weak}.",)
    found = (*split.warnings, *of_unfolded, *of_grouping, *run_warnings(result, chain.model.costs))
    return replace(result, warnings=found)


def _contestants(
    chain: ChainContestants, field: Field, unfolded: Unfolded | None, settings: BenchSettings
) -> dict[str, Contestant]:
    """All that take turns, by name. A batch that is no more than one group cannot be grouped otherwise."""
    engine = chain.way.engine
    regrouped = chain.regrouped if settings.batch_size > chain.executor.fold else None
    wholes = {name: Contestant(whole.way.engine, whole.answer) for name, whole in field.raced.items()}
    padded = {
        padded_name(name): Contestant(whole.way.engine, whole.padded)
        for name, whole in field.raced.items()
        if whole.padded is not None
    }
    plain = None if unfolded is None else unfolded.chain
    return {
        CHAIN: Contestant(engine, chain.with_exits),
        EXITS_OFF: Contestant(engine, chain.without_exits),
        **({} if chain.padded is None else {PADDED: Contestant(engine, chain.padded)}),
        **({} if regrouped is None else {REGROUPED: Contestant(engine, regrouped)}),
        **({} if plain is None else {UNFOLDED: Contestant(plain.way.engine, plain.with_exits)}),
        **wholes,
        **padded,
    }


def _rival(bundle: Bundle, chain: ChainContestants, settings: BenchSettings, threads: int) -> Rival | None:
    """Load the rival of `--against`; it uses the thresholds of the bundle."""
    if settings.against is None:
        return None
    policy = chain.way.policy()
    return load_rival(
        settings.against,
        settings.model or rival_model(bundle, settings.against),
        factory=settings.factory,
        thresholds=chain.model.thresholds,
        policy=policy.make(),
        threads=threads,
        group_exit=policy.group_exit,
    )


def _result(  # noqa: PLR0913 - all that a run has found
    settings: BenchSettings,
    subject: Subject,
    contestants: ChainContestants,
    split: SplitToBench,
    field: Field,
    measured: Measured,
    meter: Meter,
    *,
    unfolded: Unfolded | None,
) -> BenchResult:
    """Summarise the raw measurements."""
    names, labels = contestants.model.manifest.exits, split.samples.labels
    batch, seed, own = subject.batch, settings.seed, field.own
    fastest = fastest_of(field, measured)
    output = contestants.executor.output_shape
    ignored = ignored_label(output)
    baselines = summarise_baselines(field, measured, labels, batch=batch, seed=seed, ignored=ignored)
    chain, off, whole = (measured.times_ns[name].astype(np.float64) for name in (CHAIN, EXITS_OFF, fastest))
    costs, tables = meter.table(), {part[0].length: None for parts in measured.steps for part in parts}
    at = {length: meter.table_at(length) for length in tables}
    oracle = np.array([sum(oracle_ms(at[p[0].length], p) for p in parts) for parts in measured.steps]) * NS_PER_MS
    float32 = float32_answers(field, measured, split.samples.inputs, threads=subject.threads)
    return BenchResult(
        format=FORMAT,
        environment=environment(),
        settings=settings.without_folders(),
        subject=subject,
        chain=summarise_contestant(measured.times_ns[CHAIN], batch),
        exits_off=summarise_contestant(measured.times_ns[EXITS_OFF], batch),
        baselines=baselines,
        fastest=fastest,
        own=own,
        heat_ms={**field.heat_ms},
        not_tried=field.not_tried,
        hard_input=paired_ratio(off, whole, batch=batch, seed=seed),
        oracle=paired_ratio(chain, oracle, batch=batch, seed=seed),
        oracle_ms=float(oracle.mean()) / NS_PER_MS,
        quality=summarise_quality(measured, labels, float32, fastest=fastest, own=own, output=output),
        exits=summarise_exits(measured, labels, names, contestants.model.thresholds, fastest=fastest, ignored=ignored),
        segments=summarise_segments(measured.steps, names),
        costs=costs,
        break_even_share=break_even_share(
            against_fastest(costs, baselines, own=own, fastest=fastest), rows_of(batch, subject.fold)
        ),
        rival=None if settings.against is None else summarise_rival(settings.against, measured, batch=batch, seed=seed),
        trials=summarise_trials(measured, [*baselines], batch=batch, macs=subject.macs),
        wall_s=measured.wall_ns / 1e9,
        warnings=split.warnings,
        padding=summarise_padding(contestants.way, field, measured, batch=batch, seed=seed),
        folding=summarise_folding(contestants, field, measured, costs, labels, unfolded, batch=batch, seed=seed),
    )
