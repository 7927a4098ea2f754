"""How many answers of recent samples may differ from float32 before a configuration goes."""

from eecompile.verify.sampling import most_expected

__all__ = ["quant_bound"]

CHANCE = 0.05
"""That a configuration goes although it differs for no more of the traffic than the build allowed."""


def quant_bound(max_quant_drop: float, samples: int) -> float:
    """Return the largest share of recent samples that may be answered otherwise than in float32.

    Recent samples may be few: with an allowed 1 %, two of 180 that differ are more than allowed, but say nothing, and
    what goes does not come back without another build. So it is the most that the samples show by chance if what the
    build allowed holds for the traffic (binomial). Shares of pixels are held to the same.

    Args:
        max_quant_drop: what the build allowed.
        samples: how many are looked at.
    """
    return most_expected(max_quant_drop, samples, chance=CHANCE) / samples
