"""Which features are kept on disk, and which are computed again in every epoch."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["FeaturePlan", "plan_features"]


@dataclass(frozen=True, kw_only=True)
class FeaturePlan:
    """Where the features of one set of samples come from.

    Attributes:
        answer: whether the trunk's answer is kept.
        taps: taps whose features are kept.
        streamed: the other taps, in the order in which they run.
    """

    answer: bool
    taps: tuple[str, ...]
    streamed: tuple[str, ...]

    @property
    def runs_until(self) -> str | None:
        """The last tap that an epoch has to compute; None where it computes the whole trunk, or nothing at all."""
        return self.streamed[-1] if self.answer and self.streamed else None

    @property
    def keeps_all(self) -> bool:
        """Whether no epoch runs the trunk."""
        return self.answer and not self.streamed


def plan_features(answer_bytes: int, tap_bytes: Mapping[str, int], limit_bytes: int) -> FeaturePlan:
    """Keep from the end of the trunk backwards, as long as it fits.

    The answer comes first: without it every epoch runs the whole trunk. Then the deepest tap, and so on: what is
    computed again is then the beginning of the trunk, which is left at the last tap that is not kept. In front of one
    that does not fit none is kept, since it is computed on the way in any case.

    Args:
        answer_bytes: all answers of the trunk, for training and validation.
        tap_bytes: the same for the feature of each tap, in the order in which they run.
        limit_bytes: most bytes that may be kept.
    """
    names = list(tap_bytes)
    left = limit_bytes - answer_bytes
    if left < 0:
        return FeaturePlan(answer=False, taps=(), streamed=tuple(names))
    kept: list[str] = []
    for name in reversed(names):
        left -= tap_bytes[name]
        if left < 0:
            break
        kept.insert(0, name)
    return FeaturePlan(answer=True, taps=tuple(kept), streamed=tuple(names[: len(names) - len(kept)]))
