"""What a calibration costs its process: time, and the largest resident memory. Standard library only.

`getrusage` will not do: a child starts with the high-water mark of the process that forked it.
"""

import json
from pathlib import Path
from time import perf_counter

__all__ = ["PREFIX", "CostMeter", "peak_mib"]

PREFIX = "RESULT "
"""Of the line on the standard output that holds the result; libraries print there, too."""


def peak_mib() -> float:
    """Largest resident memory of this process so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not say how much memory a process had")


class CostMeter:
    """Measures from its making, when everything is imported, to `report`."""

    def __init__(self) -> None:
        self._before_mib = peak_mib()
        self._started = perf_counter()
        self._calibrated: float | None = None

    def calibrated(self) -> None:
        """Mark the moment when the ranges are known."""
        self._calibrated = perf_counter() - self._started

    def report(self, **more: object) -> None:
        """Print the result as one line."""
        result = {
            "calibrate_s": self._calibrated,
            "total_s": perf_counter() - self._started,
            "imports_mib": self._before_mib,
            "peak_mib": peak_mib(),
            **more,
        }
        print(PREFIX + json.dumps(result), flush=True)
