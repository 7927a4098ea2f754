"""The share of a build that is done, from the phases that the library reports."""

import threading
from dataclasses import dataclass
from typing import cast

from eengines.nvinfer import api_of_some as some
from eengines.nvinfer.differences import monitor_class
from eengines.nvinfer.interruptible import Report
from eengines.nvinfer.library_api import TensorRt

__all__ = ["BuildProgress", "make_monitor"]

ALMOST = 0.99
"""Reported at most before the plan is there."""


@dataclass
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


class BuildProgress:
    """Follows nested phases: a phase fills the current step of its parent. What is reported never falls.

    Each attempt to build has what the attempts before it have left. The library may call from several threads.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._phases: dict[str, _Phase] = {}
        self._start = self._share = 0.0
        self._lock = threading.Lock()

    def next_attempt(self) -> None:
        """Begin to build (again)."""
        with self._lock:
            self._phases.clear()
            self._start = self._share

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase begins."""
        with self._lock:
            self._phases[name] = _Phase(parent, max(steps, 1))

    def step(self, name: str, step: int) -> bool:
        """A step of a phase is done; say whether to go on."""
        with self._lock:
            if name in self._phases:
                self._phases[name].done = step + 1
            share = self._start + (ALMOST - self._start) * self._inner_share(name)
            self._share = max(self._share, min(share, ALMOST))
            return self._report(self._share)

    def finish(self, name: str) -> None:
        """A phase ends; its parent reports the step."""
        with self._lock:
            self._phases.pop(name, None)

    def _inner_share(self, name: str) -> float:
        """The share of the outermost phase around `name`."""
        share, seen = 0.0, set[str]()
        at: str | None = name
        while at in self._phases and at not in seen:
            seen.add(at)
            phase = self._phases[at]
            share = min((phase.done + share) / phase.steps, 1.0)
            at = phase.parent
        return share


def make_monitor(trt: TensorRt, progress: BuildProgress) -> some.Monitor | None:
    """An instance of a subclass of the library's monitor; None: this version cannot be watched."""
    base = monitor_class(trt)
    if base is None:
        return None

    def phase_start(_: some.Monitor, name: str, parent: str | None, steps: int) -> None:
        progress.start(name, parent, steps)

    def step_complete(_: some.Monitor, name: str, step: int) -> bool:
        return progress.step(name, step)

    def phase_finish(_: some.Monitor, name: str) -> None:
        progress.finish(name)

    members = {"phase_start": phase_start, "step_complete": step_complete, "phase_finish": phase_finish}
    return cast("some.Monitor", type("Monitor", (base,), members)())
