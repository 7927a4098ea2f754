"""How far below a budget to aim, so that other samples of the same kind keep it."""

import numpy as np

from eecalib.tuning.share_cost import F64, ShareCost
from eengines.errors import UserError

__all__ = ["aim_below", "check_budget", "spread_budgets"]

CONFIDENCE = 0.99
"""Of keeping the budget on new samples: high, because several budgets shall be kept together."""

DRAWS = 2_000
"""Bootstrap draws: the quantile rests on the twenty highest."""


def spread_budgets(cost: ShareCost, count: int) -> tuple[float, ...]:
    """Return budgets at equal distances strictly between the cheapest and the dearest, from slow to fast."""
    steps = np.arange(count, 0, -1) / (count + 1)
    return tuple((cost.least_ms + steps * (cost.most_ms - cost.least_ms)).tolist())


def check_budget(cost: ShareCost, budget: float, *, unit: str) -> None:
    """Refuse a budget that no thresholds keep.

    Args:
        cost: of a batch.
        budget: what a batch may cost on average.
        unit: of both; see `TuningData.unit`.

    Raises:
        UserError: it is below the cost of the first exit, or no number.
    """
    if not budget >= cost.least_ms:
        raise UserError(
            "budget",
            f"got {budget:.4g} {unit} for a batch of {cost.cost.batch}, expected {cost.least_ms:.4g} {unit}, when all "
            f"leave at the first exit, to {cost.most_ms:.4g} {unit}, when none leaves early",
            "Choose a budget in this range, or an exit nearer to the input",
        )


def aim_below(cost: ShareCost, shares: F64, budget_ms: float, *, added_ms: float, seed: int) -> F64:
    """Return the shares `[exits]`, tilted so far that their cost keeps a budget on new samples with some confidence.

    Thresholds set by quantiles of N samples err twice: the shares that they give on all data differ from those of these
    N samples, and those of N new samples differ from all data's. Both errors are as large as that of N draws with
    replacement. With counts `n, m ~ Multinomial(N, p)`, independent,

        aim = B − b − max(0, quantile_0.99(C(n / N) + C(m / N) − 2 · C(p)))

    where C is the expected cost, p the shares tilted to cost B, and b what fitting adds on samples held out.

    Args:
        cost: of a batch.
        shares: `[exits]`, what to stay close to.
        budget_ms: B, at least `cost.least_ms`.
        added_ms: b, from cross-fitting, 0 or more; 0 where nothing but thresholds was fitted.
        seed: of the draws.
    """
    p = cost.tilted(shares, min(budget_ms, cost.most_ms))
    samples = cost.cost.samples
    drawn = np.random.default_rng(seed).multinomial(samples, p / p.sum(), size=(2, DRAWS))
    errors = cost.ms(drawn / samples).sum(axis=0) - 2 * cost.ms(p)
    margin = max(0.0, float(np.quantile(errors, CONFIDENCE))) + added_ms
    return cost.tilted(shares, max(cost.least_ms, min(cost.most_ms, budget_ms - margin)))
