"""Whether runs succeed."""

from collections import Counter
from collections.abc import Hashable

__all__ = ["UNHEALTHY_AFTER", "Health"]

UNHEALTHY_AFTER = 3
"""After as many failed runs in a row of one segment the engine is said not to be healthy."""


class Health:
    """Counts failed runs of each segment of each lane: those of one say nothing about another.

    The caller sees to it that one thread at a time writes.

    Attributes:
        healthy: False after `UNHEALTHY_AFTER` failed runs in a row of any segment, until a run of this segment
            succeeds; for ever after `stop`.
    """

    def __init__(self) -> None:
        self._failures = Counter[Hashable]()
        self._stopped = False
        self.healthy = True

    def failed(self, segment: Hashable) -> None:
        """Take note of a run that failed."""
        self._failures[segment] += 1
        self._look()

    def succeeded(self, segment: Hashable) -> None:
        """Take note of a run that succeeded."""
        if self._failures.pop(segment, 0):
            self._look()

    def stop(self) -> None:
        """Take note that nothing runs any more."""
        self._stopped = True
        self._look()

    def _look(self) -> None:
        worst = max(self._failures.values(), default=0)
        self.healthy = worst < UNHEALTHY_AFTER and not self._stopped
