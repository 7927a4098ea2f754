"""How many answers of recent samples may be lost before a configuration or its thresholds go."""

from eecompile.verify.sampling import most_expected

__all__ = ["chance_bound"]

CHANCE = 0.05
"""That something goes although it loses no more of the traffic than was allowed."""


def chance_bound(allowed: float, samples: int) -> float:
    """Return the largest share of recent samples that may be answered otherwise where a share of the traffic may be.

    Recent samples may be few: with an allowed 1 %, two of 180 that differ are more than allowed, but say nothing. A
    configuration that goes does not come back without another build, and thresholds that go take exits with them. So
    it is the most that the samples show by chance if what was allowed holds for the traffic (binomial). Shares of
    pixels are held to the same, and answers that are won are set off against answers that are lost.

    Args:
        allowed: share of the traffic.
        samples: how many are looked at.
    """
    return most_expected(allowed, samples, chance=CHANCE) / samples
