"""The p-value of Hoeffding and Bentkus for losses from 0 to 1, as learn-then-test uses it.

Bates, Angelopoulos, Lei, Malik and Jordan, "Distribution-free, risk-controlling prediction sets" (J. ACM 2021). With
the mean `R` of `n` losses and the claim that their expectation is at most `m`,

    p = min( exp(-n · h(min(R, m), m)),  e · P(Bin(n, m) <= ⌈n·R⌉) ),
    h(a, b) = a·ln(a/b) + (1 - a)·ln((1 - a)/(1 - b)).

Losses that are 0 or 1 have the exact tail `P(Bin(n, m) <= n·R)` in its place.

A relative drop is brought to 0 to 1 by `y = (x + 1) / 2` with `x = loss - ε · base`, and `m = 1/2`. That spends most of
the range on what never happens: the p-value knows the mean of the losses alone, not how rarely they differ from 0, and
needs many times as many samples as bets do.
"""

import numpy as np
from numpy.typing import NDArray

from eecalib.certify.losses import Floats

__all__ = ["hb_bound", "hb_p_value"]

HALVINGS = 60


def hb_p_value(loss: Floats, base: Floats, least: float, *, limit: float | Floats) -> Floats:
    """Return the p-value `[...]` of the claim "risk <= limit".

    Args:
        loss: `[..., samples]`, see `Losses`.
        base: the same.
        least: the same.
        limit: ε, a number or `[...]`.
    """
    if least == 0:
        return _of_mean(loss, np.broadcast_to(np.asarray(limit, np.float64), loss.shape[:-1]))
    values = (loss - np.asarray(limit)[..., None] * base + 1) / 2
    return _of_mean(values, np.full(loss.shape[:-1], 0.5))


def hb_bound(loss: Floats, base: Floats, least: float, *, confidence: float) -> Floats:
    """Return the upper confidence bound of the risk, `[...]`: the least limit whose p-value is `1 - confidence`."""
    low, high = np.zeros(loss.shape[:-1]), np.ones(loss.shape[:-1])
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        shown = hb_p_value(loss, base, least, limit=middle) <= 1 - confidence
        low, high = np.where(shown, low, middle), np.where(shown, middle, high)
    return high


def _of_mean(values: Floats, mean: Floats) -> Floats:
    """The p-value `[...]` that values `[..., samples]` from 0 to 1 give the claim of a mean `[...]`."""
    from scipy.stats import binom

    samples, total = values.shape[-1], values.sum(axis=-1)
    if np.isin(values, (0.0, 1.0)).all():
        exact: Floats = np.asarray(binom.cdf(total, samples, mean))
        return exact
    bentkus = np.e * np.asarray(binom.cdf(np.ceil(total), samples, mean))
    hoeffding = np.exp(-samples * _relative_entropy(np.minimum(total / samples, mean), mean))
    found: Floats = np.minimum(np.minimum(hoeffding, bentkus), 1.0)
    return found


def _relative_entropy(a: Floats, b: Floats) -> NDArray[np.float64]:
    """`h(a, b)`, with `0 · ln 0 = 0`."""
    from scipy.special import rel_entr

    found: Floats = np.asarray(rel_entr(a, b) + rel_entr(1 - a, 1 - b))
    return found
