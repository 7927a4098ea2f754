"""In which order a bundle lists its configurations for the CPU: the first is what it runs."""

from collections.abc import Mapping, Sequence

from eecompile.build.report import BuildReport

__all__ = ["by_speed", "new_order"]


def new_order(names: Sequence[str], expected_ms: Mapping[str, float], *, first: str | None) -> tuple[str, ...]:
    """Return the names by expected time, the fastest first; those of unknown time keep their order behind them.

    Args:
        names: in the old order.
        expected_ms: of a full batch, by name.
        first: stays in front where it is among the names, and so does a first name of unknown time. None: nothing does.
    """
    ahead = names[0] if names and (names[0] == first or names[0] not in expected_ms) else None
    return tuple(sorted(names, key=lambda name: (name != ahead, expected_ms.get(name, float("inf")))))


def by_speed(report: BuildReport) -> bool:
    """Whether the build ran the fastest of what it kept."""
    expected = [trial.expected_ms for trial in report.trials if trial.kept and trial.expected_ms is not None]
    return bool(expected) and report.trials[0].expected_ms == min(expected)
