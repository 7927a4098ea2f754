"""Whether a calibration split is large enough to see the tails of the ranges."""

from eengines.errors import DataError

__all__ = ["ENOUGH_SAMPLES", "check_samples"]

ENOUGH_SAMPLES = 128
"""With n samples drawn alike, the chance that the next one exceeds the largest value of a tensor so far is 1 / (n + 1),
because each of the n + 1 is as likely to be the largest. From 128 on it is below one per cent."""


def check_samples(samples: int) -> str | None:
    """Return a warning if the calibration split is small, else None.

    Raises:
        DataError: there is no sample.
    """
    if samples <= 0:
        raise DataError(
            "calibration",
            f"got {samples} samples, expected at least 1, better {ENOUGH_SAMPLES}",
            "Give a calib split, or a train split that it can be taken from",
        )
    if samples >= ENOUGH_SAMPLES:
        return None
    return (
        f"calibration: got {samples} samples, expected at least {ENOUGH_SAMPLES}. The tails of the ranges are not "
        f"seen: 1 in {samples + 1} new samples will exceed the largest value of any given tensor, and be clipped. "
        "Give more samples."
    )
