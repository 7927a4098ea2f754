"""Candidates for the level of the pixel count."""

from collections.abc import Sequence

from eerun.policies import PixelCountPolicy

__all__ = ["LEVELS", "pixel_count_policies"]

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99)
"""Probabilities that a pixel must exceed, from loose to strict."""


def pixel_count_policies(levels: Sequence[float], exits: int) -> tuple[PixelCountPolicy, ...]:
    """Return one policy for each level, the same at all early exits.

    The trace of a map has no logits that a level could be fitted to: record the scores of each candidate, tune its
    thresholds, and take the cheapest. Probabilities are comparable between exits, so one level serves all; what differs
    between them is the threshold. An exit's score depends on its own level alone, so scores of several candidates can
    also be put together to one with other levels at each exit.

    Args:
        levels: within 0 and 1, for example `LEVELS`.
        exits: number of exits, the final one included.

    Raises:
        UserError: a level is not within 0 and 1.
    """
    return tuple(PixelCountPolicy(level=(level,) * (exits - 1)) for level in levels)
