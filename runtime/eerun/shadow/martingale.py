"""A test martingale against the claim that early answers differ from the final exit's at most as often as they may.

Samples `x_i` from 0 to 1 have `E[x_i | earlier] <= ε` while the claim holds. For bets `ν_i` from 0 to below `1/ε` that
only look at earlier samples

    K_t = Π_{i<=t} (1 + ν_i · (x_i - ε))

is a nonnegative supermartingale with `K_0 = 1`, and `P(K_t >= 1/δ for any t) <= δ` (Ville 1939): looking after every
sample is allowed, and there is no window to choose.

The bets are those of a mixture (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting",
2024; over starts as Shiryaev 1963). Parts of the stake bet on disagreements `q` between ε and 1, each with
`ν = (q - ε) / (ε·(1 - ε))`, the best constant bet where the disagreement is `q`. Half of the stake bets from the start;
of the other half `1 / (1 + ε·t)` is still in reserve after `t` samples, so that a change after a long time is found,
too: bets of long ago are lost by then. As a whole that is one bet `ν_i` on each sample, fixed before it is seen.
"""

from collections.abc import Iterable
from math import log

import numpy as np

__all__ = ["DisagreementTest"]

ALTERNATIVES = 8
AT_ONCE = 0.5
"""Share of the stake that bets from the first sample on."""


class DisagreementTest:
    """The martingale. Not thread-safe.

    Args:
        limit: ε, between 0 and 1.
        confidence: 1 - δ.

    Attributes:
        limit: ε.
        samples: how many were seen.
        total: their sum.
        alarmed: whether the martingale has reached 1/δ; later samples are not looked at.
    """

    def __init__(self, limit: float, confidence: float) -> None:
        self.limit = limit
        self.samples = 0
        self.total = 0.0
        self.alarmed = False
        self._goal = 1 / (1 - confidence)
        differing = limit ** (1 - np.arange(1, ALTERNATIVES + 1) / (ALTERNATIVES + 1))
        self._bets = (differing - limit) / (limit * (1 - limit))
        self._staked = np.full(ALTERNATIVES, AT_ONCE / ALTERNATIVES)
        self._reserve = 1 - AT_ONCE

    @property
    def log_wealth(self) -> float:
        """`ln K_t`."""
        return log(self._reserve + float(self._staked.sum()))

    def add(self, values: Iterable[float]) -> None:
        """Look at samples from 0 to 1, one after the other, until there is an alarm."""
        for value in values:
            if self.alarmed:
                return
            self.samples += 1
            self.total += value
            reserve = (1 - AT_ONCE) / (1 + self.limit * self.samples)
            staked = self._staked + (self._reserve - reserve) / ALTERNATIVES
            self._staked, self._reserve = staked * (1 + self._bets * (value - self.limit)), reserve
            self.alarmed = reserve + float(self._staked.sum()) >= self._goal
