"""A selector whose timeouts are as precise as the kernel's timers.

Python's epoll rounds timeouts up to whole milliseconds, so that an asyncio timer is up to 1 ms late; a load generator
cannot afford that. `select` takes microseconds, and a file descriptor of epoll can itself be waited for.
"""

import select
import selectors

__all__ = ["PreciseSelector"]


class PreciseSelector(selectors.EpollSelector):
    """An epoll selector that sleeps in `select`. Its own descriptor must be below 1024: make it early."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready, after at most `timeout` seconds; None: when something is."""
        if timeout is None or timeout > 0:
            select.select([self.fileno()], [], [], timeout)
        return super().select(0)
