"""What a user should know about the thresholds that a refresh has tuned."""

from collections.abc import Sequence
from math import ceil

from eecompile.build.report import SplitReport

__all__ = ["tune_warnings"]

RULE_OF_THREE = 3


def tune_warnings(tuned: Sequence[tuple[str, SplitReport, SplitReport]], max_drop: float) -> list[str]:
    """Say where *tune* is too small for the allowed drop, and where nobody leaves early any more.

    If none of `n` samples is lost, up to about `3 / n` of the traffic may be (95 %, the rule of three: 1 - e^-3 is
    0.95). So fewer than `3 / max_drop` samples cannot show that the drop is kept, whatever the thresholds are. For a
    drop of 0 no number of samples can, and nothing is said.

    Args:
        tuned: for each configuration its name, and what old and new thresholds do to *tune*; one or more.
        max_drop: the allowed drop.
    """
    samples, found = tuned[0][1].samples, list[str]()
    if 0 < samples * max_drop < RULE_OF_THREE:
        found.append(
            f"thresholds are tuned on {samples} samples, which cannot show that a drop of {max_drop:.2%} is kept even "
            f"if none is lost: {ceil(RULE_OF_THREE / max_drop)} can (95 %)"
        )
    off = [(name, 1 - old.shares[-1]) for name, old, new in tuned if old.shares[-1] < new.shares[-1] == 1]
    if off:
        each = ", ".join(f"{name} ({early:.1%} did)" for name, early in off)
        found.append(
            f"nobody leaves early any more in {each}: the search found no thresholds that save time and keep a drop of "
            f"{max_drop:.2%} on {samples} samples"
        )
    return found
