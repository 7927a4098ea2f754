"""An interval for a disagreement that holds at every time together: a confidence sequence.

Robbins, "Statistical methods related to the law of the iterated logarithm" (1970), with a Beta(1/2, 1/2) mixture. With
the sum `k` of `n` samples from 0 to 1 and the beta function `B`,

    M_n(p) = B(k + 1/2, n - k + 1/2) / (B(1/2, 1/2) · p^k · (1 - p)^(n - k))

is a nonnegative supermartingale if `p` is the mean, so all `p` with `M_n(p) < 1/δ` contain it for all `n` with
probability `1 - δ`. That holds for samples between 0 and 1, too, because `(q/p)^x · ((1-q)/(1-p))^(1-x)` is convex in
`x`.
"""

from collections.abc import Callable
from math import lgamma, log, log1p

__all__ = ["interval"]

HALVINGS = 60


def interval(total: float, samples: int, confidence: float) -> tuple[float, float]:
    """Return the least and the greatest mean that `samples` samples with this sum leave possible."""
    if samples == 0:
        return 0.0, 1.0
    rest = samples - total
    goal = log(1 / (1 - confidence)) - (
        lgamma(total + 0.5) + lgamma(rest + 0.5) - lgamma(samples + 1) - 2 * lgamma(0.5)
    )

    def possible(mean: float) -> bool:
        return -(total * log(mean) if total else 0.0) - (rest * log1p(-mean) if rest else 0.0) < goal

    inside = total / samples
    return _edge(0.0, inside, possible) if total else 0.0, _edge(1.0, inside, possible) if rest else 1.0


def _edge(outside: float, inside: float, possible: Callable[[float], bool]) -> float:
    """Return where what is possible ends, between a mean outside and one inside."""
    for _ in range(HALVINGS):
        middle = (outside + inside) / 2
        outside, inside = (outside, middle) if possible(middle) else (middle, inside)
    return outside
