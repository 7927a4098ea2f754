"""Take what was chosen to every configuration on the CPU, record the final graphs, and certify them."""

from collections.abc import Mapping
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
from eecompile.tune.report import CertificateReport
from eecompile.tune.settings import TuneSettings
from eecompile.tune.try_policies import TriedPolicy
from eecompile.tune.tune_all import tune_all
from eecompile.tune.tuned_configuration import TunedConfiguration
from eerun.configuration import HostConfiguration
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
        first, certificate = _promised(first, new, final, splits, settings, stages)
        new = new_bundle(bundle, shape, (first, *others), exits_change=exits_change)
    return Finished(
        new=new,
        configurations=(first, *others),
        splits=_reports(final, first, splits),
        certificate=certificate,
        warnings=(*new.warnings, *_warnings(best, settings)),
    )


def _promised(
    first: TunedConfiguration,
    new: NewBundle,
    final: Mapping[str, Recorded],
    splits: Mapping[str, Samples],
    settings: TuneSettings,
    stages: Stages,
) -> tuple[TunedConfiguration, CertificateReport]:
    """The first configuration with the fastest thresholds that can be promised."""
    assert settings.certify is not None  # noqa: S101 - the caller asks only then
    ladder = ladder_of(first.tried.tried.candidate, first.tried.bench.data("tune"), settings.certify)
    with stages.stage(f"certify {len(ladder)} candidates on {len(splits['certify'])} samples"):
        promise = certify_policy(
            first.policy,
            tuple(each.thresholds for each in ladder),
            final,
            HostConfiguration(bundle=new.overlay, entry=first.entry, backend=first.entry.engine),
            settings,
            agreement=settings.agreement or splits["certify"].labels is None,
        )
    files = {**first.files, first.entry.policy: promise.policy}
    return replace(first, policy=promise.policy, files=files), promise.report


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
