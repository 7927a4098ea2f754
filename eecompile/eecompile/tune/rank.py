"""How well scores rank right answers before wrong ones."""

from eecalib.trace import Recording, play
from eecompile.build.rank import rank_score
from eecompile.build.report import RankReport
from eerun.policies import EntropyPolicy, MarginPolicy, MaxProbabilityPolicy

__all__ = ["rank_scores"]


def rank_scores(recording: Recording, kept: tuple[int, ...]) -> tuple[RankReport, ...]:
    """Return the AUROC on *tune* of every score that needs no fit, for the exits that stay.

    Args:
        recording: with the right answers for labels.
        kept: indices of the early exits that stay, ascending.
    """
    trace = recording.splits["tune"].of_exits(kept).trace
    policies = (MaxProbabilityPolicy(), MarginPolicy(), EntropyPolicy())
    return tuple(rank_score(play(policy, trace).table, policy.name) for policy in policies)
