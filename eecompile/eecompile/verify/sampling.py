"""How far a share that was seen on some samples may be exceeded on others, by chance alone."""

from math import exp, lgamma, log, log1p

__all__ = ["largest_share", "most_expected"]

HALVINGS = 50
"""Of the interval 0 to 1, until the share is known to 1e-15."""


def largest_share(count: int, samples: int, *, chance: float) -> float:
    """Return the largest share of a population of which `samples` show `count` or fewer with at least this chance.

    This is the upper limit of Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case
    of the binomial" (1934), found by halving.

    Args:
        count: how many of the samples were seen to differ.
        samples: how many were looked at, 1 or more.
        chance: between 0 and 1.
    """
    if count >= samples:
        return 1.0
    low, high = count / samples, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(count, samples, middle) >= chance else (low, middle)
    return high


def most_expected(share: float, samples: int, *, chance: float) -> int:
    """Return the smallest count that `samples` exceed with at most this chance, if `share` of the population differs.

    Args:
        share: between 0 and 1.
        samples: how many are drawn.
        chance: between 0 and 1.
    """
    total = 0.0
    for count in range(samples):
        total += _exactly(count, samples, share)
        if 1 - total <= chance:
            return count
    return samples


def _at_most(count: int, samples: int, share: float) -> float:
    """Binomial P(X <= count)."""
    return sum(_exactly(k, samples, share) for k in range(count + 1))


def _exactly(count: int, samples: int, share: float) -> float:
    """Binomial P(X = count), by logarithms: the coefficients alone overflow."""
    if share in (0, 1):
        return float(count == samples * share)
    ways = lgamma(samples + 1) - lgamma(count + 1) - lgamma(samples - count + 1)
    return exp(ways + count * log(share) + (samples - count) * log1p(-share))
