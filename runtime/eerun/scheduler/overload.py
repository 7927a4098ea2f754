"""Certified thresholds by load: calm ones while there is room in the queue, faster ones while it fills up."""

__all__ = ["Overload"]

FULL, EASED = 0.5, 0.25
"""Shares of the queue: above the first thresholds become faster, below the second slower again."""


class Overload:
    """Which step of a model's certified thresholds is used: 0 as loaded, n the nth fallback, which is slower.

    Args:
        calm_step: the step while there is no overload.
        max_queue: how many samples may wait.
        dwell_ns: how long a step is kept at least.

    Attributes:
        step: the step in use.
        changes: how often it changed.
    """

    def __init__(self, *, calm_step: int, max_queue: int, dwell_ns: int) -> None:
        self._calm_step, self._max_queue, self._dwell_ns = calm_step, max_queue, dwell_ns
        self.step, self.changes = calm_step, 0
        self._changed_ns: int | None = None
        self._eased = False

    def update(self, queued: int, now_ns: int) -> None:
        """Go one step where the queue asks for it, after those for which it was short enough since the last time."""
        self._ease(now_ns)
        self._eased = queued < EASED * self._max_queue
        if not self._calm_step or (self._changed_ns is not None and now_ns - self._changed_ns < self._dwell_ns):
            return
        step = self.step
        if queued > FULL * self._max_queue:
            step = max(step - 1, 0)
        elif queued < EASED * self._max_queue:
            step = min(step + 1, self._calm_step)
        if step != self.step:
            self.step, self._changed_ns = step, now_ns
            self.changes += 1

    def _ease(self, now_ns: int) -> None:
        """Go the slower steps of the time in which nobody asked: a queue that was short then has not grown."""
        while self._eased and self._changed_ns is not None and self.step < self._calm_step:
            if now_ns - self._changed_ns < self._dwell_ns:
                return
            self.step, self._changed_ns = self.step + 1, self._changed_ns + self._dwell_ns
            self.changes += 1
