"""Take what was chosen to every configuration on the CPU, record the final graphs, and certify them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from eecalib.record import record_exits
from eecalib.trace import Recording, play
from eecalib.tuning.ladder import ladder_of
from eecompile.build.report import SplitReport
from eecompile.build.tune import split_report
from eecompile.stages import Stages
from eecompile.tune.certify_policy import Recorded, certify_policy
from eecompile.tune.new_bundle import NewBundle, new_bundle
from eecompile.tune.record import record_bundle
from eecompile.tune.report import CertificateReport
from eecompile.tune.settings import TuneSettings
from eecompile.tune.try_policies import Bench, TriedPolicy, mac_table, try_policies
from eecompile.tune.tuned_configuration import TunedConfiguration, tuned_configuration
from eecompile.tune.variant import Shape, measure_shapes
from eengines.errors import EngineError
from eerun.choose_configuration import usable_configurations
from eerun.configuration import HostConfiguration
from eerun.costs import CostTable
from eerun.data import Samples

__all__ = ["Finished", "finish"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Finished:
    """What is written.

    Attributes:
        new: the bundle as it will be.
        configurations: those that were tuned, the first one runs.
        splits: what the first one does on *tune* and *test*, as its engine answers; None: there is no such split.
        certificate: None: nothing was to be promised.
        warnings: what the user should know.
    """

    new: NewBundle
    configurations: tuple[TunedConfiguration, ...]
    splits: Mapping[str, SplitReport]
    certificate: CertificateReport | None
    warnings: tuple[str, ...]


def finish(
    way: HostConfiguration,
    best: TriedPolicy,
    splits: Mapping[str, Samples],
    recording: Recording,
    settings: TuneSettings,
    stages: Stages,
) -> Finished:
    """Return the bundle as it will be; nothing is written yet."""
    bundle, shape = way.bundle, best.bench.shape
    others = [
        each
        for each in usable_configurations(bundle).configurations
        if isinstance(each, HostConfiguration) and each.name != way.name
    ]
    changed = _changed(way, shape)
    costs = _other_costs(others, shape, splits, settings, stages) if changed else [each.costs() for each in others]
    tuned = [tuned_configuration(bundle, way.entry, shape, best, best.bench.costs, measured=changed)]
    for other, table in zip(others, costs, strict=True):
        found = _tune_other(other, best, table, splits, settings, stages)
        if found is not None:
            tuned.append(tuned_configuration(bundle, other.entry, shape, found, table, measured=changed))
    new = new_bundle(bundle, shape, tuned, exits_change=len(shape.kept) < len(bundle.manifest.exits) - 1)
    certificate, warnings = None, list(new.warnings)
    if changed or settings.certify is not None:
        final = _record_final(new, way, splits, recording, settings, stages)
    else:
        final = _played(best, recording)
    if settings.certify is not None:
        agreement = settings.agreement or splits["certify"].labels is None
        ladder = ladder_of(best.tried.candidate, best.bench.data("tune"), settings.certify)
        with stages.stage(f"certify {len(ladder)} candidates on {len(splits['certify'])} samples"):
            promise = certify_policy(
                tuned[0].policy,
                tuple(each.thresholds for each in ladder),
                final,
                replace(way, bundle=new.overlay, entry=tuned[0].entry),
                settings,
                agreement=agreement,
            )
        certificate = promise.report
        tuned[0] = replace(
            tuned[0], policy=promise.policy, files={**tuned[0].files, tuned[0].entry.policy: promise.policy}
        )
        new = new_bundle(bundle, shape, tuned, exits_change=new.exits_change)
    reports = _reports(final, tuned[0], splits)
    return Finished(
        new=new,
        configurations=tuple(tuned),
        splits=reports,
        certificate=certificate,
        warnings=(*warnings, *_warnings(best, settings)),
    )


def _changed(way: HostConfiguration, shape: Shape) -> bool:
    """Whether exits go, or heads move: then costs are new."""
    early = len(way.bundle.manifest.exits) - 1
    return len(shape.kept) < early or shape.heads_apart != bool(way.entry.heads)


def _other_costs(
    others: Sequence[HostConfiguration],
    shape: Shape,
    splits: Mapping[str, Samples],
    settings: TuneSettings,
    stages: Stages,
) -> list[CostTable]:
    if not others:
        return []
    samples = {name: array[:64] for name, array in splits["tune"].inputs.items()}
    with stages.stage(f"measure {len(others)} other configurations, in turns"):
        pairs = [(each, shape) for each in others]
        tables = measure_shapes(
            pairs, samples, stages.progress, seconds=settings.measure_seconds, threads=settings.threads
        )
    return list(tables)


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
        stages.warn(f"{way.name} goes: {error.where}: {error.problem}")
        return None
    agreed = {name: split.against(agreement=settings.agreement) for name, split in recording.splits.items()}
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
            bench, {best.report.name: best.tuner}, settings.goal, stages, in_macs=in_macs, max_tail=None
        )
    return found[0] if found else None


def _played(best: TriedPolicy, recording: Recording) -> dict[str, Recorded]:
    """What the recorded logits say under the policy: the graphs that make them stay."""
    policy = best.tried.candidate.policy
    return {
        name: Recorded(table=play(policy, split.trace).table, split=split) for name, split in recording.splits.items()
    }


def _record_final(
    new: NewBundle,
    way: HostConfiguration,
    splits: Mapping[str, Samples],
    recording: Recording,
    settings: TuneSettings,
    stages: Stages,
) -> dict[str, Recorded]:
    """Run all splits through the final graphs of the first configuration, with exits off."""
    final = HostConfiguration(bundle=new.overlay, entry=new.first, backend=way.backend)
    found = {}
    with stages.stage(f"record {way.words} as it will run"):
        executor = final.open_chain(threads=settings.threads)
        for index, (name, samples) in enumerate(splits.items()):

            def progress(share: float, done: int = index) -> None:
                stages.progress((done + share) / len(splits))

            table = record_exits(executor, samples, progress)
            table = replace(table, labels=recording.splits[name].trace.labels, ignored=recording.splits[name].ignored)
            found[name] = Recorded(table=table, split=recording.splits[name])
    return found


def _reports(
    final: Mapping[str, Recorded], first: TunedConfiguration, splits: Mapping[str, Samples]
) -> dict[str, SplitReport]:
    """What the first configuration does on *tune* and *test*, against the labels of the data."""
    found = {}
    for name in ("tune", "test"):
        if name in final:
            table = replace(final[name].table, labels=splits[name].labels)
            float32 = np.concatenate([table.answers[:, :-1], final[name].split.float32[:, None]], axis=1)
            reference = replace(table, answers=float32.astype(table.answers.dtype))
            found[name] = split_report(table, reference, first.policy.thresholds, first.costs)
    return found


def _warnings(best: TriedPolicy, settings: TuneSettings) -> list[str]:
    """Where exits do not pay, and where more is lost on *test* than was allowed."""
    found = []
    report = best.report
    if report.tune.batch_ms >= best.bench.whole_ms:
        found.append(
            f"exits do not pay here: expected {report.tune.batch_ms:.2f} ms a batch of {best.bench.batch}, the whole "
            f"network takes {best.bench.whole_ms:.2f} ms"
        )
    if settings.goal.max_drop is not None and report.test is not None and report.test.drop > settings.goal.max_drop:
        found.append(
            f"on test the drop is {report.test.drop:.2%}, more than the {settings.goal.max_drop:.2%} asked for: "
            "only a certificate (--certify) promises something about new samples"
        )
    return found
