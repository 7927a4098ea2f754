"""Learn, then test: candidates in a fixed order from slow to fast, until the first that is not certified.

Angelopoulos, Bates, Candès, Jordan and Lei, "Learn then test" (2021): every claim is tested at the full level δ, and
testing stops at the first that is not shown. The first candidate whose claim is false is reached before any other such,
so `P(any certified claim is false) <= δ`. The order must come from other samples than those of the test, as it does
where it comes from the *tune* split. The certified candidate is the last one whose claim was shown, not the first whose
claim was not.

A sample is here what is independent of the others: of a folded network a group of images.

Bets see one sample after the other, and a data source may give them sorted, by class for example: then the first ones
say nothing of the rest. So samples are put into the order of a seeded permutation first, the same for all candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from eecalib.certify.betting import Bets, place_bets
from eecalib.certify.hoeffding_bentkus import hb_bound, hb_p_value
from eecalib.certify.losses import Floats, Losses
from eengines.errors import UserError

__all__ = ["METHODS", "Certified", "Method", "certify", "last_shown", "method_by_name", "upper_bound"]

Method = Literal["betting", "hoeffding-bentkus"]
METHODS: tuple[Method, ...] = get_args(Method)

ORDERS = 16
"""In which samples are bet on; the wealth at the end is the mean over them."""


def method_by_name(name: str) -> Method:
    """Return the method of this name.

    Raises:
        UserError: there is none.
    """
    for method in METHODS:
        if method == name:
            return method
    raise UserError("--certify-method", f"got {name!r}, known are {', '.join(METHODS)}", "Choose one of these")


@dataclass(frozen=True, kw_only=True)
class Certified:
    """What was shown.

    Attributes:
        index: the fastest certified candidate; all before it are certified, too. None: not even the first is.
        p_values: of every candidate's claim, also of those that were not reached.
        bounds: upper confidence bound of every candidate's risk, each by itself. What holds together for all certified
            candidates is the limit.
    """

    index: int | None
    p_values: tuple[float, ...]
    bounds: tuple[float, ...]


def certify(
    candidates: Sequence[Losses], *, limit: float, confidence: float, method: Method = "betting", seed: int = 0
) -> Certified:
    """Return which candidates have a risk of at most `limit`, with probability `confidence` none of them wrongly.

    Args:
        candidates: from slow to fast, in an order that these samples did not choose.
        limit: ε, the promise: of a relative drop or of a disagreement, in the units of `Losses.risk`.
        confidence: 1 - δ.
        method: `betting`, or `hoeffding-bentkus`, which needs scipy.
        seed: of the orders in which samples are bet on. It must not be chosen by what it gives.

    Raises:
        UserError: no candidate, another method, or a limit or confidence that is not between 0 and 1.
    """
    _check(candidates, limit, confidence, method)
    p_values = [_p_value(each, limit, confidence, method, seed) for each in candidates]
    last = int(last_shown(np.array(p_values), confidence))
    return Certified(
        index=last if last >= 0 else None,
        p_values=tuple(p_values),
        bounds=tuple(
            upper_bound(each, limit=limit, confidence=confidence, method=method, seed=seed) for each in candidates
        ),
    )


def last_shown(p_values: Floats, confidence: float) -> NDArray[np.int64]:
    """Return the last candidate whose claim, and all before it, are shown, `[...] int64`; -1: not even the first.

    Args:
        p_values: `[..., candidates]`.
        confidence: 1 - δ.
    """
    shown = np.logical_and.accumulate(p_values <= 1 - confidence, axis=-1)
    last: NDArray[np.int64] = shown.sum(axis=-1, dtype=np.int64) - 1
    return last


def upper_bound(losses: Losses, *, limit: float, confidence: float, method: Method, seed: int = 0) -> float:
    """Return the upper confidence bound of one candidate's risk.

    Args:
        losses: of the candidate.
        limit: where bets aim: the bound holds for any, and is tight near this one.
        confidence: 1 - δ.
        method: see `certify`.
        seed: see `certify`.
    """
    if method == "betting":
        return float(_bets(losses, limit, confidence, seed).bound(confidence))
    return float(hb_bound(losses.loss, losses.base, losses.least, confidence=confidence))


def _p_value(losses: Losses, limit: float, confidence: float, method: Method, seed: int) -> float:
    """The p-value of the claim "risk <= limit"."""
    if method == "betting":
        return float(_bets(losses, limit, confidence, seed).p_value(limit))
    return float(hb_p_value(losses.loss, losses.base, losses.least, limit=limit))


def _bets(losses: Losses, limit: float, confidence: float, seed: int) -> Bets:
    """Bets on the samples in random orders, which do not depend on how they were given."""
    random = np.random.default_rng(seed)
    orders = np.stack([random.permutation(losses.samples) for _ in range(ORDERS)])
    return place_bets(losses.loss[orders], losses.base[orders], limit=limit, confidence=confidence)


def _check(candidates: Sequence[Losses], limit: float, confidence: float, method: Method) -> None:
    """Refuse what cannot be tested."""
    if not candidates:
        raise UserError("certify", "got no candidate, expected at least one", "Tune a policy first")
    if not 0 < limit < 1:
        raise UserError("certify: limit", f"got {limit}, expected between 0 and 1", "Give for example 1%")
    if not 0 < confidence < 1:
        raise UserError("certify: confidence", f"got {confidence}, expected between 0 and 1", "Give for example 95%")
    if method not in METHODS:
        raise UserError("certify: method", f"got {method!r}, known are {', '.join(METHODS)}", "Choose one of these")
