"""Take what was chosen to every configuration on the CPU."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from eecompile.stages import Stages
from eecompile.tune.configuration_to_try import configurations_here
from eecompile.tune.pick import pick
from eecompile.tune.record import record_bundle
from eecompile.tune.settings import TuneSettings
from eecompile.tune.try_policies import Bench, TriedPolicy, mac_table, report_of, try_policies
from eecompile.tune.tuned_configuration import TunedConfiguration, tuned_configuration
from eecompile.tune.variant import Shape, measure_shapes
from eengines.errors import EngineError
from eerun.choose_configuration import AUTO
from eerun.configuration import HostConfiguration
from eerun.costs import CostTable
from eerun.data import Samples

__all__ = ["tune_all"]

MEASURED_SAMPLES = 64


def tune_all(
    way: HostConfiguration,
    best: TriedPolicy,
    splits: Mapping[str, Samples],
    settings: TuneSettings,
    stages: Stages,
) -> tuple[TunedConfiguration, ...]:
    """Return the configurations on the CPU with the policy that was chosen, the one that runs first in front.

    That is the one that does best for the goal, or that the user named; each has thresholds and parameters of its own.

    Args:
        way: that policies were tried on.
        best: what was chosen.
        splits: the samples.
        settings: what the user chose.
        stages: where progress is shown.
    """
    bundle, shape = way.bundle, best.bench.shape
    ways = [way, *(each for each in configurations_here(bundle) if each.name != way.name)]
    changed = any(_changed(each, shape) for each in ways)
    costs = _measure(ways, shape, splits, settings, stages) if changed else [each.costs() for each in ways]
    found = []
    for each, table in zip(ways, costs, strict=True):
        tried = _at(best, table, settings) if each is way else _tune_other(each, best, table, splits, settings, stages)
        if tried is not None:
            found.append(tuned_configuration(bundle, each, shape, tried, table, measured=changed))
    first = found[0]
    if settings.engine == AUTO and settings.precision == AUTO:
        taken = pick([one.tried for one in found], settings.goal, in_macs=settings.budget_macs is not None)
        first = next(one for one in found if one.tried is taken)
    others = sorted((one for one in found if one is not first), key=lambda one: one.full_batch_ms)
    return (first, *others)


def _changed(way: HostConfiguration, shape: Shape) -> bool:
    """Whether exits go, or heads move: then costs are new."""
    early = len(way.bundle.manifest.exits) - 1
    return len(shape.kept) < early or shape.heads_apart != bool(way.entry.heads)


def _measure(
    ways: Sequence[HostConfiguration],
    shape: Shape,
    splits: Mapping[str, Samples],
    settings: TuneSettings,
    stages: Stages,
) -> tuple[CostTable, ...]:
    samples = {name: array[:MEASURED_SAMPLES] for name, array in splits["tune"].inputs.items()}
    with stages.stage(f"measure {len(ways)} configurations, in turns"):
        return measure_shapes(
            [(each, shape) for each in ways],
            samples,
            stages.progress,
            seconds=settings.measure_seconds,
            threads=settings.threads,
        )


def _at(best: TriedPolicy, costs: CostTable, settings: TuneSettings) -> TriedPolicy:
    """What was chosen, with the time that it takes by other measured costs."""
    bench, report = replace(best.bench, costs=costs), best.report
    again = report_of(bench, report.name, best.tried, settings.goal, seconds=report.seconds, max_tail=settings.max_tail)
    return replace(best, bench=bench, report=again)


def _tune_other(
    way: HostConfiguration,
    best: TriedPolicy,
    costs: CostTable,
    splits: Mapping[str, Samples],
    settings: TuneSettings,
    stages: Stages,
) -> TriedPolicy | None:
    """Fit the chosen policy to another configuration; None: it cannot be recorded here."""
    try:
        float32 = {"tune": best.bench.recording.splits["tune"].float32}
        recording = record_bundle(way, {"tune": splits["tune"]}, stages, threads=settings.threads, float32=float32)
    except EngineError as error:
        stages.warn(f"{way.name} was not tuned: {error.where}: {error.problem}")
        return None
    rule = best.bench.rule
    agreed = {name: split.against(agreement=settings.agreement).under(rule) for name, split in recording.splits.items()}
    bench = Bench(
        recording=replace(recording, splits=agreed),
        shape=best.bench.shape,
        costs=costs,
        macs=mac_table(way.bundle.manifest, best.bench.shape),
        names=best.bench.names,
        batch=best.bench.batch,
        whole=best.bench.whole,
        seed=settings.seed,
    )
    in_macs = settings.budget_macs is not None
    with stages.stage(f"tune {best.report.name} for {way.words}"):
        found = try_policies(
            bench,
            {best.report.name: best.tuner},
            settings.goal,
            stages,
            in_macs=in_macs,
            max_tail=settings.max_tail,
        )
    return found[0] if found else None
