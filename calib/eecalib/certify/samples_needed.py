"""How many *certify* samples a promise takes."""

from math import ceil, log

import numpy as np

from eecalib.certify.fixed_sequence import Method
from eecalib.certify.losses import Losses

__all__ = ["samples_for", "samples_needed", "too_few_samples"]


def samples_needed(limit: float, confidence: float) -> int:
    """Return how many samples a limit takes at least, when not one of them is lost: `n >= ln δ / ln(1 - ε)`.

    With fewer nobody can tell a risk of 0 from one of ε at this confidence.
    """
    return ceil(log(1 - confidence) / log(1 - limit))


def samples_for(losses: Losses, limit: float, confidence: float, method: Method = "betting") -> int | None:
    """Return about how many samples would be needed if all were like these; None: no number would do.

    With `x = loss - ε · base`, its mean `-s` and mean square `V`, bets gain `s² / (2·(s + V))` a sample on small gaps
    and need `ln(1/δ)`: a half or more of all draws of so many samples would be certified. Hoeffding and Bentkus gain
    the relative entropy of the two means: `h(R, ε)` of losses from 0 to 1, `h((1 - s)/2, 1/2)` of a relative drop.
    """
    excess = losses.loss - limit * losses.base
    gap, square = -float(excess.mean()), float(np.square(excess).mean())
    if gap <= 0:
        return None
    if method == "betting":
        gain = gap**2 / (2 * (gap + square))
    else:
        gain = _relative_entropy(losses.risk, limit) if losses.least == 0 else _relative_entropy((1 - gap) / 2, 0.5)
    return max(samples_needed(limit, confidence), ceil(log(1 / (1 - confidence)) / gain))


def too_few_samples(losses: Losses, limit: float, confidence: float, method: Method = "betting") -> str:
    """Say in words why a candidate cannot be certified on so many samples, and how many it would take."""
    got = f"{losses.samples} samples do not show a risk of at most {limit:.3g} at a confidence of {confidence:.3g}"
    least = samples_needed(limit, confidence)
    if losses.samples < least:
        return f"{got}: at least {least} are needed even if none is lost"
    about = samples_for(losses, limit, confidence, method)
    if about is None:
        return f"{got}: on them it is {losses.risk:.3g}, and more samples like these would not help"
    return f"{got}: on them it is {losses.risk:.3g}, and about {about} such samples would be needed"


def _relative_entropy(a: float, b: float) -> float:
    """`a·ln(a/b) + (1 - a)·ln((1 - a)/(1 - b))`, for `b` between 0 and 1."""
    return sum(p * log(p / q) for p, q in ((a, b), (1 - a, 1 - b)) if p > 0)
