"""Tune a bundle, step by step: record, try policies, drop exits, take the best everywhere, certify, write."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import perf_counter

from eecalib.tuning.tuners import Tuner, left_out_when_folded, tuners_for
from eecompile.stages import Stages
from eecompile.tune.drop_exits import exit_sets
from eecompile.tune.finish import Finished, finish
from eecompile.tune.pick import pick
from eecompile.tune.rank import rank_scores
from eecompile.tune.report import TuneReport
from eecompile.tune.settings import TuneSettings
from eecompile.tune.subject import Subject, find_subject
from eecompile.tune.try_policies import Bench, TriedPolicy, try_policies
from eecompile.tune.variant import Shape, measure_shapes
from eecompile.tune.write_tune import write_tune
from eengines.errors import BuildError
from eerun.bundle import Bundle, check_amendable, open_bundle

__all__ = ["tune"]

MAPS = "segmentation"
"""The task of a network that answers every pixel."""

MEASURED_SETS = 3
"""Sets of exits whose merged segments are built and measured."""

MEASURED_SAMPLES = 64
"""Of *tune*, that costs are measured on."""


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
    tuners = _tuners(bundle, settings, stages)
    subject = find_subject(bundle, settings, stages)
    settings = replace(settings, agreement=subject.agreement)
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


def _tuners(bundle: Bundle, settings: TuneSettings, stages: Stages) -> dict[str, Tuner]:
    """What is tried; of a folded network `all` leaves out what counts shares of samples, with a word."""
    fold = bundle.manifest.images_a_row
    left_out = () if fold == 1 else left_out_when_folded(settings.policies)
    if left_out:
        names = ", ".join(left_out)
        stages.warn(f"{names}: left out, their shares are of samples; images of a folded network leave in groups")
    return tuners_for(settings.policies, maps=bundle.manifest.task == MAPS, fold=fold)


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
    if subject.way.entry.heads or settings.select_exits:  # sets of exits are compared with what is measured now
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
        batch=subject.batch * best.bench.fold,
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
        fold=finished.fold,
    )


def _goal_words(settings: TuneSettings) -> str:
    if settings.budget_macs is not None:
        return f"at most {settings.budget_macs:g} million multiply-accumulates a sample"
    if settings.budget_ms is not None:
        return f"at most {settings.budget_ms:g} ms a batch"
    return f"at most {settings.max_drop:.2%} less than the final exit in float32"
