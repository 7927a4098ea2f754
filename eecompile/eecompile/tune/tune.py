"""Tune a bundle, step by step: record, try policies, drop exits, take the best everywhere, certify, write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import perf_counter

from eecalib.trace import MapTrace, Recording, open_recording
from eecalib.tuning.tuners import Tuner, tuners_for
from eecompile.stages import Stages
from eecompile.tune.configuration_to_try import configuration_to_try, configurations_here
from eecompile.tune.drop_exits import exit_sets
from eecompile.tune.finish import Finished, finish
from eecompile.tune.load_splits import load_splits
from eecompile.tune.pick import pick, refuse_unusable
from eecompile.tune.rank import rank_scores
from eecompile.tune.record import check_recording, record_bundle
from eecompile.tune.report import TuneReport
from eecompile.tune.settings import TuneSettings
from eecompile.tune.try_policies import Bench, TriedPolicy, mac_table, try_policies
from eecompile.tune.variant import Shape, measure_shapes
from eecompile.tune.write_tune import write_tune
from eengines.errors import BuildError, UserError
from eerun.bundle import Bundle, check_amendable, open_bundle
from eerun.configuration import HostConfiguration
from eerun.costs import CostTable
from eerun.data import Samples

__all__ = ["tune"]

MEASURED_SETS = 3
"""Sets of exits whose merged segments are built and measured."""

MEASURED_SAMPLES = 64
"""Of *tune*, that costs are measured on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """What is tuned.

    Attributes:
        way: the configuration that policies are tried on.
        splits: the samples; None: only a recording is at hand.
        recording: of that configuration, with the right answers for labels.
        batch: size of the batches that are expected.
        fastest: the configuration whose whole network takes the least for such a batch.
    """

    way: HostConfiguration
    splits: Mapping[str, Samples]
    recording: Recording
    batch: int
    fastest: HostConfiguration

    @property
    def bundle(self) -> Bundle:
        """The bundle as it is."""
        return self.way.bundle

    def bench(self, shape: Shape, costs: CostTable, whole: CostTable, seed: int) -> Bench:
        """What policies are tried on, in some shape, with the costs of the fastest whole network."""
        manifest = self.bundle.manifest
        return Bench(
            recording=self.recording,
            shape=shape,
            costs=costs,
            whole=whole,
            macs=mac_table(manifest, shape),
            names=manifest.exits,
            batch=self.batch,
            seed=seed,
        )


def tune(path: Path, settings: TuneSettings, stages: Stages) -> TuneReport:
    """Try exit policies on what the exits of a bundle say, and write the best one into it; engines are not rebuilt.

    Until the last moment the bundle is as it was; then it changes in one step.

    Args:
        path: the bundle's folder.
        settings: what the user chose.
        stages: where progress is shown.

    Returns:
        What was tried; the same is in the bundle.

    Raises:
        UserError: settings, data or trace cannot be used.
        BundleError: the bundle is damaged, or was changed meanwhile.
        BuildError: graphs cannot be changed, or nothing can be promised.
        EngineError: an engine failed.
    """
    started = perf_counter()
    bundle = open_bundle(path)
    if not settings.dry_run:
        check_amendable(path)
    subject = _subject(bundle, settings, stages)
    if any(samples.labels is None for samples in subject.splits.values()):
        settings = replace(settings, agreement=True)
    tuners = tuners_for(settings.policies, maps=_has_maps(subject.recording))
    clock = perf_counter()
    tried = _try_all(subject, tuners, settings, stages)
    search_seconds = perf_counter() - clock
    best = pick(tried, settings.goal, in_macs=settings.budget_macs is not None)
    finished = finish(subject.way, best, subject.splits, subject.recording, settings, stages)
    report = _report(subject, tried, best, finished, settings)
    report = replace(
        report,
        search_seconds=search_seconds,
        seconds=perf_counter() - started,
        peak_bytes=getrusage(RUSAGE_SELF).ru_maxrss * 1024,
    )
    if not settings.dry_run:
        with stages.stage("write the bundle"):
            write_tune(bundle, finished, report, settings, stages)
    return report


def _subject(bundle: Bundle, settings: TuneSettings, stages: Stages) -> Subject:
    """The configuration, its recording, and the samples."""
    refuse_unusable(bundle, settings)
    opened = None if settings.trace is None else open_recording(settings.trace)
    ways = configurations_here(bundle)
    way = configuration_to_try(
        bundle,
        ways,
        engine=settings.engine,
        precision=settings.precision,
        recorded=None if opened is None else opened.configuration,
    )
    costs = way.costs()
    batch = settings.batch or costs.max_batch
    if batch > costs.max_batch:
        raise UserError("--batch", f"got {batch}, the bundle was measured up to {costs.max_batch}", "Give less")
    splits = load_splits(bundle, settings.data)
    recording = opened or record_bundle(way, splits, stages, threads=settings.threads)
    check_recording(recording, way, splits)
    agreement = settings.agreement or any(samples.labels is None for samples in splits.values())
    agreed = {name: split.against(agreement=agreement) for name, split in recording.splits.items()}
    return Subject(
        way=way,
        splits=splits,
        recording=replace(recording, splits=agreed),
        batch=batch,
        fastest=min(ways, key=lambda each: each.costs().of_whole().run_ms(0, batch)),
    )


def _has_maps(recording: Recording) -> bool:
    return isinstance(next(iter(recording.splits.values())).trace, MapTrace)


def _try_all(
    subject: Subject, tuners: Mapping[str, Tuner], settings: TuneSettings, stages: Stages
) -> list[TriedPolicy]:
    """All policies on all shapes that are worth it."""
    benches = _first_benches(subject, tuners, settings, stages)
    tried = []
    for bench in benches:
        tried += _try(bench, _fitting(tuners, bench, benches), settings, stages)
    if settings.select_exits:
        with stages.stage("which exits pay"):
            sets = exit_sets(benches[0], tried, settings, stages, most=MEASURED_SETS)
        shapes = [Shape(kept=kept) for kept in sets if kept != benches[0].shape.kept]
        few = {name: each for name, each in tuners.items() if not each.skips} or dict(tuners)
        for bench in _measure(subject, shapes, settings, stages) if shapes else ():
            tried += _try(bench, few, settings, stages)
    return tried


def _first_benches(
    subject: Subject, tuners: Mapping[str, Tuner], settings: TuneSettings, stages: Stages
) -> list[Bench]:
    """All exits, with heads in their segments, apart, or both; costs are measured where graphs are new."""
    fused = Shape(kept=tuple(range(len(subject.bundle.manifest.exits) - 1)))
    apart = replace(fused, heads_apart=True)
    if settings.split_heads:
        return _measure(subject, [apart], settings, stages)
    may = settings.split_heads is None and settings.budget_macs is None and not subject.bundle.manifest.lengths
    if may and any(tuner.skips for tuner in tuners.values()):
        only = all(tuner.skips for tuner in tuners.values()) and not settings.select_exits
        try:
            return _measure(subject, [apart] if only else [fused, apart], settings, stages)
        except BuildError as error:
            stages.warn(f"heads stay in their segments: {error.where}: {error.problem}")
    if subject.way.entry.heads:
        return _measure(subject, [fused], settings, stages)
    costs = subject.way.costs(), subject.fastest.costs().of_whole()
    return [subject.bench(fused, *costs, settings.seed)]


def _fitting(tuners: Mapping[str, Tuner], bench: Bench, benches: Sequence[Bench]) -> dict[str, Tuner]:
    """Policies that skip exits where heads are apart, the others where they are not; all of them on the only bench."""
    if len(benches) == 1:
        return dict(tuners)
    return {name: tuner for name, tuner in tuners.items() if tuner.skips == bench.shape.heads_apart}


def _measure(subject: Subject, shapes: Sequence[Shape], settings: TuneSettings, stages: Stages) -> list[Bench]:
    """The tried configuration in other shapes, measured in turns with the fastest whole network."""
    whole = Shape(kept=tuple(range(len(subject.bundle.manifest.exits) - 1)))
    pairs = [*((subject.way, shape) for shape in shapes), (subject.fastest, whole)]
    samples = {name: array[:MEASURED_SAMPLES] for name, array in subject.splits["tune"].inputs.items()}
    with stages.stage(f"measure {len(shapes)} sets of graphs and the whole network, in turns"):
        *tables, fastest = measure_shapes(
            pairs, samples, stages.progress, seconds=settings.measure_seconds, threads=settings.threads
        )
    return [
        subject.bench(shape, table, fastest.of_whole(), settings.seed)
        for shape, table in zip(shapes, tables, strict=True)
    ]


def _try(bench: Bench, tuners: Mapping[str, Tuner], settings: TuneSettings, stages: Stages) -> list[TriedPolicy]:
    exits = len(bench.shape.kept) + 1
    with stages.stage(
        f"try {len(tuners)} policies on {exits} exits{', heads apart' if bench.shape.heads_apart else ''}"
    ):
        return try_policies(
            bench,
            tuners,
            settings.goal,
            stages,
            in_macs=settings.budget_macs is not None,
            max_tail=settings.max_tail,
        )


def _report(
    subject: Subject, tried: Sequence[TriedPolicy], best: TriedPolicy, finished: Finished, settings: TuneSettings
) -> TuneReport:
    """Everything but the times."""
    others = sorted((each for each in tried if each is not best), key=lambda each: each.against_whole)
    return TuneReport(
        bundle=subject.bundle.path.name,
        configuration=subject.way.name,
        goal=_goal_words(settings),
        batch=subject.batch,
        samples={name: split.trace.samples for name, split in subject.recording.splits.items()},
        whole_ms=best.bench.whole_ms,
        whole_single_ms=best.bench.whole.run_ms(0, 1),
        fastest_whole=subject.fastest.name,
        policies=tuple(each.report for each in (best, *others)),
        chosen=best.report.name,
        runs=finished.runs,
        ranks=rank_scores(subject.recording, best.bench.shape.kept),
        certificate=finished.certificate,
        warnings=finished.warnings,
        written=not settings.dry_run,
        seconds=0.0,
        search_seconds=0.0,
        peak_bytes=0,
    )


def _goal_words(settings: TuneSettings) -> str:
    if settings.budget_macs is not None:
        return f"at most {settings.budget_macs:g} million multiply-accumulates a sample"
    if settings.budget_ms is not None:
        return f"at most {settings.budget_ms:g} ms a batch"
    return f"at most {settings.max_drop:.2%} less than the final exit in float32"
