"""How many bytes of bodies the whole server holds at once."""

import threading

from eerun.serve.errors import FullError

__all__ = ["BodyBudget", "BodyShare"]

RETRY_AFTER_S = 1.0
"""What a client is told to wait: nobody knows how long other bodies take to come."""


class BodyBudget:
    """Bytes that all requests share. Safe to use from any thread.

    Args:
        most: bytes that may be held at once.
    """

    def __init__(self, most: int) -> None:
        self._most, self._held = most, 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Bytes that are held."""
        return self._held

    def share(self) -> "BodyShare":
        """Return what one request holds, which is nothing yet."""
        return BodyShare(self)

    def take(self, size: int) -> None:
        """Hold more bytes.

        Raises:
            FullError: they would be too many.
        """
        with self._lock:
            if self._held + size > self._most:
                problem = f"{self._held} bytes of other requests are held, {size} more make over {self._most}"
                raise FullError("body", problem, "Try again later", retry_after_s=RETRY_AFTER_S)
            self._held += size

    def give_back(self, size: int) -> None:
        """Hold fewer bytes."""
        with self._lock:
            self._held -= size


class BodyShare:
    """What one request holds, until it leaves the `with` block."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget, self._held = budget, 0

    def __enter__(self) -> "BodyShare":
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.give_back(self._held)

    def take(self, size: int) -> None:
        """Hold more bytes.

        Raises:
            FullError: see `BodyBudget.take`.
        """
        self._budget.take(size)
        self._held += size
