"""Bets against the claim that a risk is above its limit: a p-value, an e-value and an upper confidence bound.

Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (JRSS B 2024). Let `x_i <= 1`, with
`E[x_i] >= 0` where the claim "risk <= ε" is false. For bets `κ_i` in `[0, 1)` that only look at earlier samples

    K_i = Π_{j<=i} (1 - κ_j · x_j)

is a nonnegative supermartingale, so the mean of `K_n` is at most 1, and `P(K_n >= 1/δ) <= δ` (Markov): for any number
of samples, nothing asymptotic. The paper takes `max_i K_i` (Ville), which is as valid; see `p_value` for why not here.

The bets are plug-in bets: they aim at the smallest gap that `n` samples can show at level δ. With `L = ln(1/δ)` and
`V_i = (1/4 + Σ_{j<i} x_j²) / i`, known before sample `i`,

    s_i = (L + √(L² + 2·n·L·V_i)) / n,    κ_i = s_i / (s_i + V_i).

For large `n` that is the paper's `√(2L / (n·V))`; `κ = s / (s + V)` maximises the lower bound of the logarithm of the
wealth for bounded losses (Fan, Grama and Liu 2015), and never bets all, so that no single sample ruins a candidate.

Samples are taken in the order in which they are given, which must be a random one. A split that comes from the data
source may be sorted, by class for example: if its first samples are easy, the wealth reaches 1/δ on them, whatever
follows. `certify` and `upper_bound` bet on several random orders, and take the mean of the wealth at the end.
"""

from dataclasses import dataclass

import numpy as np

from eecalib.certify.losses import Floats

__all__ = ["Bets", "place_bets"]

PRIOR = 0.25
"""Weight of a first, imagined `x²`: the largest variance of a loss from 0 to 1."""
HALVINGS = 60
LARGEST_LOG = 700.0
"""Of a wealth that is still a number."""
TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Bets:
    """Bets on losses; all arrays are `[..., orders, samples]`, so that many draws can be looked at together.

    Along `orders` stand the same samples in several random orders.

    Attributes:
        loss: see `Losses`.
        base: see `Losses`.
        shares: the bets κ, placed for one limit; for any other they are still valid, only not as good.
    """

    loss: Floats
    base: Floats
    shares: Floats

    def log_wealth(self, limit: float | Floats) -> Floats:
        """Return `ln K_i` `[..., orders, samples]` against the claim of a limit, a number or `[...]`."""
        claimed = np.asarray(limit)[..., None, None] * self.base
        wealth: Floats = np.log1p(-self.shares * (self.loss - claimed)).cumsum(axis=-1)
        return wealth

    def e_values(self, limit: float | Floats) -> Floats:
        """Return `K_n` of each order, `[..., orders]`: where the claim is false, its mean is at most 1."""
        wealth: Floats = np.exp(np.minimum(self.log_wealth(limit)[..., -1], LARGEST_LOG))
        return wealth

    def p_value(self, limit: float | Floats) -> Floats:
        """Return `1 / mean K_n` over the orders, at most 1, `[...]`.

        The mean of e-values is an e-value (Markov), so no single lucky order decides, and a candidate whose losses on
        these samples are above the limit is not shown: its wealth at the end is below 1 in about every order.
        """
        found: Floats = np.minimum(1.0, 1 / np.maximum(TINY, self.e_values(limit).mean(axis=-1)))
        return found

    def bound(self, confidence: float) -> Floats:
        """Return the upper confidence bound of the risk, `[...]`; 1 where nothing can be said.

        It is at most the limit if and only if the p-value of the limit is at most `1 - confidence`, because the wealth
        rises with the limit.
        """
        level = 1 - confidence
        low, high = np.zeros(self.loss.shape[:-2]), np.ones(self.loss.shape[:-2])
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            shown = self.p_value(middle) <= level
            low, high = np.where(shown, low, middle), np.where(shown, middle, high)
        return high


def place_bets(loss: Floats, base: Floats, *, limit: float, confidence: float) -> Bets:
    """Return bets that aim at showing one limit.

    Args:
        loss: `[..., orders, samples]` in random orders, see `Losses`.
        base: the same.
        limit: ε.
        confidence: 1 - δ.
    """
    samples = loss.shape[-1]
    before = np.zeros_like(loss)
    before[..., 1:] = np.square(loss - limit * base).cumsum(axis=-1)[..., :-1]
    variance = (PRIOR + before) / np.arange(1, samples + 1)
    level = np.log(1 / (1 - confidence))
    gap = (level + np.sqrt(level**2 + 2 * samples * level * variance)) / samples
    return Bets(loss, base, gap / (gap + variance))
