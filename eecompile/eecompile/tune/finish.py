"""Take what was chosen to every configuration on the CPU, record the final graphs, and certify them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from eecalib.record import record_exits
from eecalib.trace import Recording, play
from eecalib.tuning import Candidate
from eecalib.tuning.ladder import ladder_of
from eecompile.build.report import SplitReport
from eecompile.build.tune import split_report
from eecompile.stages import Stages
from eecompile.tune.certify_policy import Recorded, certify_policy
from eecompile.tune.look_at_groups import look_at_groups
from eecompile.tune.new_bundle import NewBundle, new_bundle
from eecompile.tune.played import as_played
from eecompile.tune.report import CertificateReport, FoldReport, RunReport
from eecompile.tune.settings import TuneSettings
from eecompile.tune.try_policies import Bench, TriedPolicy, split_outcome
from eecompile.tune.tune_all import tune_all
from eecompile.tune.tuned_configuration import TunedConfiguration
from eecompile.tune.what_to_know import what_to_know
from eengines.errors import BuildError
from eerun.configuration import HostConfiguration
from eerun.data import Samples
from eerun.folding import Easiness

__all__ = ["Finished", "finish"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Finished:
    """What is written.

    Attributes:
        new: the bundle as it will be.
        configurations: those that were tuned, the first one runs.
        runs: what the first one does, as its engine answers.
        splits: the same by split, against the labels of the data.
        certificate: None: nothing was to be promised.
        fold: what is particular to a folded network; None: it is none.
        easiness: predicts easy images of a folded network; None: nothing does.
        warnings: what the user should know.
    """

    new: NewBundle
    configurations: tuple[TunedConfiguration, ...]
    runs: RunReport
    splits: Mapping[str, SplitReport]
    certificate: CertificateReport | None
    fold: FoldReport | None
    easiness: Easiness | None
    warnings: tuple[str, ...]


def finish(
    way: HostConfiguration,
    best: TriedPolicy,
    splits: Mapping[str, Samples],
    recording: Recording,
    settings: TuneSettings,
    stages: Stages,
) -> Finished:
    """Return the bundle as it will be; nothing is written yet.

    Args:
        way: the configuration that policies were tried on.
        best: what was chosen.
        splits: the samples.
        recording: of that configuration.
        settings: what the user chose.
        stages: where progress is shown.
    """
    bundle, shape = way.bundle, best.bench.shape
    first, *others = tune_all(way, best, splits, settings, stages)
    exits_change = len(shape.kept) < len(bundle.manifest.exits) - 1
    new = new_bundle(bundle, shape, (first, *others), exits_change=exits_change)
    if first.entry.name == way.name and not first.measured and settings.certify is None:
        final = _played(first.tried, recording)
    else:
        final = _record_final(new, first, splits, recording, settings, stages)
    certificate = None
    if settings.certify is not None:
        first, certificate = _promised(first, new, final, settings, stages)
        new = new_bundle(bundle, shape, (first, *others), exits_change=exits_change)
    runs = _runs(first, final, recording)
    folded = None if best.bench.fold == 1 else look_at_groups(new, first, final, splits, recording, settings, stages)
    return Finished(
        new=new,
        configurations=(first, *others),
        runs=runs,
        splits=_reports(final, first, runs, splits),
        certificate=certificate,
        fold=None if folded is None else folded.report,
        easiness=None if folded is None else folded.easiness,
        warnings=(*new.warnings, *what_to_know(runs, first.tried, settings)),
    )


def _runs(first: TunedConfiguration, final: Mapping[str, Recorded], recording: Recording) -> RunReport:
    """What the bundle will run, as its engine answers."""
    bench = replace(first.tried.bench, recording=recording)
    policy = first.candidate.policy
    outcomes = {
        name: split_outcome(bench, first.candidate, name, as_played(policy, final[name].table))
        for name in ("tune", "test")
        if name in final
    }
    return RunReport(
        configuration=first.entry.name,
        thresholds=first.policy.thresholds,
        tune=outcomes["tune"],
        test=outcomes.get("test"),
    )


def _promised(
    first: TunedConfiguration,
    new: NewBundle,
    final: Mapping[str, Recorded],
    settings: TuneSettings,
    stages: Stages,
) -> tuple[TunedConfiguration, CertificateReport]:
    """The first configuration with the fastest thresholds that can be promised."""
    assert settings.certify is not None  # noqa: S101 - the caller asks only then
    in_macs, budget = settings.budget_macs is not None, settings.goal.budget
    bench = first.tried.bench
    ladder = [
        each
        for each in ladder_of(
            first.tried.tried.candidate, bench.data("tune", macs=in_macs), settings.certify, budget=budget
        )
        if settings.max_tail is None or _keeps_tail(bench, each, settings.max_tail)
    ]
    if not ladder:
        problem = "no candidate keeps what was asked for on tune"
        raise BuildError(f"--certify {settings.certify:.2%}", problem, "Allow more")
    with stages.stage(f"certify {len(ladder)} candidates on {final['certify'].table.samples} samples"):
        promise = certify_policy(
            first.policy,
            tuple(each.thresholds for each in ladder),
            final,
            HostConfiguration(bundle=new.overlay, entry=first.entry, backend=first.entry.engine),
            settings,
        )
    files = {**first.files, first.entry.policy: promise.policy}
    return replace(first, policy=promise.policy, files=files), promise.report


def _keeps_tail(bench: Bench, candidate: Candidate, max_tail: float) -> bool:
    return split_outcome(bench, candidate, "tune").batch_p99_ms <= bench.whole_ms * (1 + max_tail)


def _played(best: TriedPolicy, recording: Recording) -> dict[str, Recorded]:
    """What the recorded logits say under the policy: the graphs that make them stay."""
    policy = best.tried.candidate.policy
    return {
        name: Recorded(table=play(policy, split.trace).table, split=split) for name, split in recording.splits.items()
    }


def _record_final(
    new: NewBundle,
    first: TunedConfiguration,
    splits: Mapping[str, Samples],
    recording: Recording,
    settings: TuneSettings,
    stages: Stages,
) -> dict[str, Recorded]:
    """Run all splits through the final graphs of the first configuration, with exits off."""
    final = HostConfiguration(bundle=new.overlay, entry=first.entry, backend=first.entry.engine)
    found = {}
    with stages.stage(f"record {final.words} as it will run"):
        executor = final.open_chain(threads=settings.threads)
        for index, (name, samples) in enumerate(splits.items()):

            def progress(share: float, done: int = index) -> None:
                stages.progress((done + share) / len(splits))

            table = record_exits(executor, samples, progress)
            table = replace(table, labels=recording.splits[name].trace.labels, ignored=recording.splits[name].ignored)
            found[name] = Recorded(table=table, split=recording.splits[name])
    return found


def _reports(
    final: Mapping[str, Recorded], first: TunedConfiguration, runs: RunReport, splits: Mapping[str, Samples]
) -> dict[str, SplitReport]:
    """What the first configuration does on *tune* and *test*, against the labels of the data."""
    found = {}
    for name, outcome in (("tune", runs.tune), ("test", runs.test)):
        if outcome is not None:
            table = replace(final[name].table, labels=splits[name].labels)
            float32 = np.concatenate([table.answers[:, :-1], final[name].split.float32[:, None]], axis=1)
            reference = replace(table, answers=float32.astype(table.answers.dtype))
            found[name] = split_report(table, reference, first.policy.thresholds, first.costs, tested=outcome.tested)
    return found
