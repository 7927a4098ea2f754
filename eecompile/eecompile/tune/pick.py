"""Choose among everything that was tried, and refuse early what cannot be."""

from collections.abc import Sequence

from eecalib.tuning.goal import Goal
from eecalib.tuning.tuners import MAP_TUNERS, TUNERS, tuners_for
from eecompile.tune.settings import TuneSettings
from eecompile.tune.try_policies import TriedPolicy
from eengines.errors import BuildError, UserError
from eerun.bundle import Bundle

__all__ = ["pick", "refuse_unusable", "refuse_when_folded"]


ALIKE = 0.01
"""Expected times that differ by less are the same: costs are not measured better, and the simplest policy is taken."""


def simplicity(tried: TriedPolicy) -> int:
    """The place of a policy in the table of tuners, where those with nothing to fit come first."""
    names = (*TUNERS, *MAP_TUNERS)
    return names.index(tried.report.name)


def pick(tried: Sequence[TriedPolicy], goal: Goal, *, in_macs: bool) -> TriedPolicy:
    """Return what the bundle shall run: for a drop the least expected time, for a budget the most right answers.

    Of policies that take about the same time the simplest is taken: the best of many that were fitted is the luckiest,
    too.

    Args:
        tried: everything.
        goal: what is asked for.
        in_macs: whether the budget is in multiply-accumulates.

    Raises:
        BuildError: nothing may be chosen.
    """
    allowed = [each for each in tried if each.report.refused is None]
    if not allowed:
        reasons = (
            "; ".join(f"{each.report.name}: {each.report.refused}" for each in tried) or "no policy could be tried"
        )
        raise BuildError("eecompile tune", reasons, "Allow more, or try other policies, or another --precision")
    if goal.budget is None:  # shapes are measured in runs of their own, each beside the whole network
        least = min(each.against_whole for each in allowed)
        alike = [each for each in allowed if each.against_whole <= least * (1 + ALIKE)]
        return min(alike, key=lambda each: (simplicity(each), each.against_whole))
    cost = [each.report.tune.macs if in_macs else each.report.tune.batch_ms for each in allowed]
    within = [each for each, spent in zip(allowed, cost, strict=True) if spent is not None and spent <= goal.budget]
    if not within:
        least = min(spent for spent in cost if spent is not None)
        unit = "million multiply-accumulates a sample" if in_macs else "ms a batch"
        raise UserError(
            "--budget-macs" if in_macs else "--budget-ms",
            f"got {goal.budget:g} {unit}, the cheapest that was found takes {least:.4g}",
            "Allow more, or put an exit nearer to the input",
        )
    return max(within, key=lambda each: each.report.tune.accuracy)


def refuse_unusable(bundle: Bundle, settings: TuneSettings) -> None:
    """Refuse what cannot be done to a bundle before long work.

    Raises:
        UserError: graphs shall change of a network whose sequence length is dynamic or which is folded, or a rule for
            groups is given for one that is not.
    """
    if bundle.manifest.fold is not None:
        refuse_when_folded(bundle.manifest.fold.factor, settings)
    elif settings.fold_exit is not None:
        problem = f"got {settings.fold_exit.value!r} for a network that is not folded: samples leave one by one"
        raise UserError("--fold-exit", problem, "Leave it out")
    for flag, given in (("--select-exits", settings.select_exits), ("--split-heads", settings.split_heads)):
        if given and bundle.manifest.lengths:
            problem = "the network has a dynamic sequence length, and costs of new graphs are measured at fixed sizes"
            raise UserError(flag, problem, "Leave it out; to drop exits, build again with --exits")


def refuse_when_folded(fold: int, settings: TuneSettings) -> None:
    """Refuse what cannot be done to a network folded by `fold`.

    Raises:
        UserError: heads apart, sets of exits, or a policy whose thresholds are shares of samples.
    """
    if settings.split_heads:
        problem = f"the network is folded by {fold}, and a head of its own would run for some images of a group only"
        raise UserError("--split-heads", problem, "Leave it out")
    if settings.select_exits:
        problem = f"sets of exits are compared by shares of samples, and images of a network folded by {fold} leave in"
        raise UserError("--select-exits", f"{problem} groups", "Leave it out, or build again with --exits")
    tuners_for(settings.policies, maps=False, fold=fold)
