"""Search for the greatest load that a server holds: doubled until it fails, then halved by the geometric mean."""

from math import sqrt

__all__ = ["RESOLUTION", "Search"]

RESOLUTION = 1.02
"""The search ends when the least load that failed is no more than so many times the greatest that held."""

LEAST_QPS = 0.05


class Search:
    """One server's search. Ask `qps`, probe it, `tell`; until `done`.

    Args:
        start: queries a second to begin with.
    """

    def __init__(self, start: float) -> None:
        self._held, self._failed = 0.0, float("inf")
        self.qps = start

    @property
    def done(self) -> bool:
        """Whether nothing is left to find out."""
        return self._failed <= self._held * RESOLUTION or self._failed <= LEAST_QPS

    @property
    def held(self) -> float:
        """The greatest load that held; 0: none did."""
        return self._held

    def tell(self, *, valid: bool) -> None:
        """Say how the probe of `qps` went."""
        if valid:
            self._held = self.qps
        else:
            self._failed = self.qps
        if self._failed == float("inf"):
            self.qps = self._held * 2
        elif self._held == 0:
            self.qps = self._failed / 2
        else:
            self.qps = sqrt(self._held * self._failed)
