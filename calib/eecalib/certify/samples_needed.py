"""How many *certify* samples a promise takes: independent ones, of a folded network groups."""

from math import ceil, log

import numpy as np

from eecalib.certify.betting import place_bets
from eecalib.certify.fixed_sequence import Method
from eecalib.certify.hoeffding_bentkus import hb_p_value
from eecalib.certify.losses import Losses

__all__ = ["samples_for", "samples_needed", "too_few_samples"]


def samples_needed(limit: float, confidence: float, method: Method = "betting", *, least: float = 0) -> int:
    """Return how many samples a limit takes at least, when not one of them is lost; found by halving.

    Nobody can do with fewer than `ln δ / ln(1 - ε)`: that many tell a risk of 0 from one of ε at this confidence.
    Hoeffding and Bentkus do with that for losses of 0 and 1; bets take a little more, Hoeffding and Bentkus for a
    relative drop many times as much (and there the rounding in Bentkus' tail makes it uncertain by some samples).

    Args:
        limit: ε.
        confidence: 1 - δ.
        method: see `certify`.
        least: see `Losses`.
    """
    few = ceil(log(1 - confidence) / log(1 - limit)) - 1
    enough = few + 1
    while not _shown_without_loss(enough, limit, confidence, method, least):
        few, enough = enough, 2 * enough
    while enough - few > 1:
        middle = (few + enough) // 2
        if _shown_without_loss(middle, limit, confidence, method, least):
            enough = middle
        else:
            few = middle
    return enough


def _shown_without_loss(samples: int, limit: float, confidence: float, method: Method, least: float) -> bool:
    """Whether so many samples, none of them lost and all bases 1, show the limit."""
    loss, base = np.zeros(samples), np.ones(samples)
    if method == "betting":
        p_value = place_bets(loss[None], base[None], limit=limit, confidence=confidence).p_value(limit)
    else:
        p_value = hb_p_value(loss, base, least, limit=limit)
    return float(p_value) <= 1 - confidence


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
    return max(samples_needed(limit, confidence, method, least=losses.least), ceil(log(1 / (1 - confidence)) / gain))


def too_few_samples(losses: Losses, limit: float, confidence: float, method: Method = "betting") -> str:
    """Say in words why a candidate cannot be certified on so many samples, and how many it would take.

    Samples of a folded network are counted in images.
    """
    samples = f"{losses.images} samples" + ("" if losses.fold == 1 else f" in {losses.samples} groups")
    got = f"{samples} do not show a risk of at most {limit:.3g} at a confidence of {confidence:.3g}"
    least = samples_needed(limit, confidence, method, least=losses.least)
    if losses.samples < least:
        return f"{got}: at least {least * losses.fold} are needed even if none is lost"
    about = samples_for(losses, limit, confidence, method)
    if about is None:
        return f"{got}: on them it is {losses.risk:.3g}, and more samples like these would not help"
    return f"{got}: on them it is {losses.risk:.3g}, and about {about * losses.fold} such samples would be needed"


def _relative_entropy(a: float, b: float) -> float:
    """`a·ln(a/b) + (1 - a)·ln((1 - a)/(1 - b))`, for `b` between 0 and 1."""
    return sum(p * log(p / q) for p, q in ((a, b), (1 - a, 1 - b)) if p > 0)
