"""EENet: thresholds for an average budget, by learned scores and learned shares of the exits, beside two baselines.

A budget is kept on new samples, not only on those that it is fitted to: see `eecalib.tuning.budget`. Tuners:

- `eenet`: learned scores, learned shares (`fit.py`), tilted to the cost that is aimed at.
- `eenet-exp`: geometric shares. `eenet-simplex`: shares by direct search. Both with the learned scores or with the
  largest probability, whichever has more samples right that the scores were not fitted to.

Source: Ilhan et al., "Adaptive Deep Neural Network Inference Optimization with EENet", WACV 2024.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eecalib.trace import play
from eecalib.tuning.budget import aim_below, check_budget, spread_budgets
from eecalib.tuning.candidate import Candidate
from eecalib.tuning.data import TuningData
from eecalib.tuning.eenet.features import ExitFeatures
from eecalib.tuning.eenet.fit import fit_eenet
from eecalib.tuning.eenet.geometric_exits import geometric_shares
from eecalib.tuning.eenet.held_out import hold_out
from eecalib.tuning.eenet.quantile_thresholds import Quantiles
from eecalib.tuning.eenet.scores import policy_of
from eecalib.tuning.eenet.simplex_search import SimplexSearch
from eecalib.tuning.logits_of import logits_of
from eecalib.tuning.share_cost import F64, ShareCost
from eerun.policies import ExitPolicy, MaxProbabilityPolicy

__all__ = ["EENET_TUNERS", "eenet_candidates", "eenet_for_budget"]

BUDGETS = 12

EENET_TUNERS = ("eenet", "eenet-exp", "eenet-simplex")


def eenet_candidates(data: TuningData, tuners: Sequence[str] = EENET_TUNERS) -> tuple[Candidate, ...]:
    """Return candidates for a dozen budgets between the first exit's cost and the whole chain's, from slow to fast.

    Args:
        data: the recording, and the costs.
        tuners: some of `EENET_TUNERS`; for each budget there is one candidate of each, in this order.

    Raises:
        UserError: the recording is of maps.
    """
    return _tune(data, spread_budgets(ShareCost(cost=data.cost), BUDGETS), tuners)


def eenet_for_budget(data: TuningData, budget_ms: float, tuners: Sequence[str] = EENET_TUNERS) -> tuple[Candidate, ...]:
    """Return one candidate of each tuner for a budget.

    Args:
        data: the recording, and the costs.
        budget_ms: what a batch may cost on average.
        tuners: some of `EENET_TUNERS`.

    Raises:
        UserError: the budget is below the cost of the first exit, or the recording is of maps.
    """
    check_budget(ShareCost(cost=data.cost), budget_ms, unit=data.unit)
    return _tune(data, (budget_ms,), tuners)


def _tune(data: TuningData, budgets: tuple[float, ...], tuners: Sequence[str]) -> tuple[Candidate, ...]:
    """Return a candidate of each tuner for each budget."""
    features, cost = ExitFeatures.of(logits_of(data.trace, "eenet")), ShareCost(cost=data.cost)
    middle = fit_eenet(features, cost, min(budgets[len(budgets) // 2], cost.most_ms), seed=data.seed, start=None)
    held_out = hold_out(features, cost, middle, seed=data.seed)

    def aim(shares: F64, budget_ms: float) -> F64:
        return aim_below(cost, shares, budget_ms, added_ms=held_out.added * budget_ms, seed=data.seed)

    columns: list[list[Candidate]] = []
    if "eenet" in tuners:
        columns.append([])
        fit = None
        for budget_ms in budgets:
            fit = fit_eenet(features, cost, min(budget_ms, cost.most_ms), seed=data.seed, start=fit)
            score = _Score.by(policy_of(fit.weights), data)
            columns[-1].append(score.candidate("eenet", aim(fit.shares, budget_ms)))
    score = _Score.by(policy_of(middle.weights) if held_out.learned_wins else MaxProbabilityPolicy(), data)
    geometric = [geometric_shares(cost, float(cost.ms(aim(geometric_shares(cost, each), each)))) for each in budgets]
    if "eenet-exp" in tuners:
        columns.append([score.candidate("eenet-exp", shares) for shares in geometric])
    if "eenet-simplex" in tuners:
        search = SimplexSearch(score.quantiles, score.right, cost, seed=data.seed)
        best = [search.best(float(cost.ms(shares)), also=shares) for shares in geometric]
        columns.append(
            [score.candidate("eenet-simplex", aim(each, ms)) for each, ms in zip(best, budgets, strict=True)]
        )
    return tuple(candidate for row in zip(*columns, strict=True) for candidate in row)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Score:
    """A policy, and what it says about the samples.

    Attributes:
        policy: the score.
        quantiles: of its scores.
        right: `[samples, exits] bool`, whether an exit has a sample right.
    """

    policy: ExitPolicy
    quantiles: Quantiles
    right: NDArray[np.bool_]

    @classmethod
    def by(cls, policy: ExitPolicy, data: TuningData) -> "_Score":
        """Return what a policy says about a recording."""
        table = play(policy, data.trace).table
        return cls(policy=policy, quantiles=Quantiles(table.scores), right=table.against(agreement=False) > 0)

    def candidate(self, tuner: str, shares: F64) -> Candidate:
        """Return the candidate by which these shares leave."""
        return Candidate(tuner=tuner, policy=self.policy, thresholds=self.quantiles.thresholds(shares))
