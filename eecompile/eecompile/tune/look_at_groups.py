"""What is particular to a folded network: rules for groups, partners, and which images are easy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from eecalib.fit import FittedEasiness, fit_easiness
from eecalib.partners import PartnerAgreement, partner_agreement
from eecalib.replay import replay
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
    settings: TuneSettings,
    stages: Stages,
) -> LookedAt:
    """Look at the groups of the configuration that comes first, with the thresholds that it will have.

    Args:
        new: the bundle as it will be.
        first: the configuration.
        final: what its exits say.
        splits: the samples.
        settings: threads and seed.
        stages: where progress is shown.

    Raises:
        EngineError: the engine failed.
    """
    fitted = _fitted(first, final["tune"], splits["tune"], settings, stages)
    report = FoldReport(
        factor=final["tune"].table.fold,
        rule=first.policy.group_exit,
        rules=tuple(_rule(rule, first, final) for rule in GroupExit),
        partners=_partners(new, first, splits["test"], settings, stages) if "test" in splits else None,
        easiness=None
        if fitted is None
        else EasinessReport(images=len(splits["tune"]), rank_correlation=fitted.rank_correlation),
    )
    return LookedAt(report=report, easiness=None if fitted is None else fitted.easiness)


def _rule(rule: GroupExit, first: TunedConfiguration, final: Mapping[str, Recorded]) -> RuleReport:
    """What a rule gives."""

    def outcome(name: str) -> SplitOutcome:
        table = replace(final[name].table, rule=rule)
        return split_outcome(first.tried.bench, first.candidate, name, as_played(first.candidate.policy, table))

    return RuleReport(rule=rule, tune=outcome("tune"), test=outcome("test") if "test" in final else None)


def _partners(
    new: NewBundle, first: TunedConfiguration, samples: Samples, settings: TuneSettings, stages: Stages
) -> PartnerAgreement:
    """How alike images are answered beside others."""
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
) -> FittedEasiness | None:
    """What predicts the exit that answers an image; None: the images are too few, or none."""
    ((name, images),) = samples.inputs.items()
    exits = replay(seen.table, first.policy.thresholds).exit_index
    try:
        return fit_easiness(name, images, exits, seed=settings.seed)
    except DataError as error:
        stages.warn(f"likely-easy images cannot be put together: {error.problem}")
        return None
