"""What is particular to a folded network: rules for groups, partners, and which images are easy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from eecalib.fit import fit_easiness
from eecalib.partners import PartnerAgreement, partner_agreement
from eecalib.replay import leave_at
from eecalib.trace import Recording
from eecalib.tuning import Candidate
from eecalib.tuning.try_tuner import try_tuner
from eecalib.tuning.tuners import without_fit
from eecompile.stages import Stages
from eecompile.tune.certify_policy import Recorded
from eecompile.tune.new_bundle import NewBundle
from eecompile.tune.played import as_played
from eecompile.tune.report import EasinessReport, FoldReport, RuleReport, SplitOutcome
from eecompile.tune.settings import TuneSettings
from eecompile.tune.try_policies import split_outcome
from eecompile.tune.tuned_configuration import TunedConfiguration
from eengines.errors import DataError
from eerun.configuration import HostConfiguration
from eerun.data import Samples
from eerun.folding import Easiness, GroupExit

__all__ = ["LookedAt", "look_at_groups"]

DEALS = 3
"""How often groups are dealt at random to see what an answer owes to its partners."""

MOST_IMAGES = 2_000
"""Of *test* that this is seen on, of which a share of 99 % is known to 0.2 %."""


@dataclass(frozen=True, kw_only=True)
class LookedAt:
    """What was seen, and what predicts easy images; None: nothing does."""

    report: FoldReport
    easiness: Easiness | None


def look_at_groups(
    new: NewBundle,
    first: TunedConfiguration,
    final: Mapping[str, Recorded],
    splits: Mapping[str, Samples],
    recording: Recording,
    settings: TuneSettings,
    stages: Stages,
) -> LookedAt:
    """Look at the groups of the configuration that comes first, with the thresholds that it will have.

    Args:
        new: the bundle as it will be.
        first: the configuration.
        final: what its exits say.
        splits: the samples, in the groups of `final`.
        recording: of all splits: what float32 answers, and the right answers for labels.
        settings: what the user chose; in a dry run nothing more is run.
        stages: where progress is shown.

    Raises:
        EngineError: the engine failed.
    """
    easiness = _fitted(first, final["tune"], splits["tune"], settings, stages)
    correlation = None if easiness is None else easiness.rank_correlation
    with stages.stage(f"search thresholds of {first.policy.policy} for {len(GroupExit)} rules for groups"):
        rules = tuple(_rule(rule, first, final, recording, settings) for rule in GroupExit)
    partners = None if settings.dry_run or "test" not in splits else _partners(new, first, splits, settings, stages)
    report = FoldReport(
        factor=final["tune"].table.fold,
        rule=first.policy.group_exit,
        rules=rules,
        partners=partners,
        easiness=None
        if correlation is None
        else EasinessReport(images=len(splits["tune"]), rank_correlation=correlation),
    )
    return LookedAt(report=report, easiness=easiness)


def _rule(
    rule: GroupExit,
    first: TunedConfiguration,
    final: Mapping[str, Recorded],
    recording: Recording,
    settings: TuneSettings,
) -> RuleReport:
    """What a rule gives: that of the bundle as it will run, another with thresholds searched for it."""
    candidate = first.candidate if rule is first.policy.group_exit else _searched(rule, first, settings)
    bench = replace(first.tried.bench, recording=recording)

    def outcome(name: str) -> SplitOutcome:
        table = replace(final[name].table, rule=rule)
        return split_outcome(bench, candidate, name, as_played(candidate.policy, table))

    return RuleReport(
        rule=rule,
        tune=outcome("tune"),
        test=outcome("test") if "test" in final else None,
        thresholds=candidate.thresholds,
    )


def _searched(rule: GroupExit, first: TunedConfiguration, settings: TuneSettings) -> Candidate:
    """The policy as it is, with thresholds for what the user asked, if groups left by another rule."""
    bench, policy = first.tried.bench, first.candidate.policy
    splits = {name: each.under(rule) for name, each in bench.recording.splits.items()}
    ruled = replace(bench, recording=replace(bench.recording, splits=splits))
    data = ruled.data("tune", macs=settings.budget_macs is not None)
    return try_tuner(without_fit(policy), data, settings.goal).candidate


def _partners(
    new: NewBundle,
    first: TunedConfiguration,
    splits: Mapping[str, Samples],
    settings: TuneSettings,
    stages: Stages,
) -> PartnerAgreement:
    """How alike images are answered beside others; groups were dealt at random, so that the first ones do for all."""
    fold = first.tried.bench.fold
    samples = splits["test"].take(np.arange(min(len(splits["test"]), MOST_IMAGES // fold * fold)))
    way = HostConfiguration(bundle=new.overlay, entry=first.entry, backend=first.entry.engine)
    with stages.stage(f"answer {len(samples)} test images beside others, {DEALS} times"):
        return partner_agreement(
            way.open_chain(threads=settings.threads),
            samples,
            first.policy.thresholds,
            stages.progress,
            deals=DEALS,
            seed=settings.seed,
        )


def _fitted(
    first: TunedConfiguration, seen: Recorded, samples: Samples, settings: TuneSettings, stages: Stages
) -> Easiness | None:
    """What predicts the exit that an image passes by itself; None: nothing does.

    An image that others took along says where they leave. The predictor is that of the first configuration, and the
    bundle uses it for all of them: exits of the same network in another precision rank images nearly alike.
    """
    ((name, images),) = samples.inputs.items()  # a folded network takes one image: see `check_fold`
    exits = leave_at(seen.table.scores, first.policy.thresholds)
    try:
        return fit_easiness(name, images, exits, seed=settings.seed)
    except DataError as error:
        stages.warn(f"likely-easy images cannot be put together: {error.problem}")
        return None
