"""Policies with parameters, fitted to what the exits say."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from eecalib.fit.accuracy_bins import fit_accuracy_bins
from eecalib.fit.gati import fit_gati
from eecalib.fit.geometric_ensemble import fit_geometric_ensemble
from eecalib.fit.pixel_count import LEVELS, pixel_count_policies
from eecalib.trace import ExitTrace
from eerun.policies import ExitPolicy, policy_by_name

__all__ = [
    "FITTERS",
    "LEVELS",
    "Fitter",
    "fit_accuracy_bins",
    "fit_gati",
    "fit_geometric_ensemble",
    "pixel_count_policies",
]


class Fitter(Protocol):
    """Makes the variants of one policy that are worth a try."""

    def __call__(self, trace: ExitTrace, *, seed: int) -> tuple[ExitPolicy, ...]:
        """Return them.

        Args:
            trace: of the *tune* split; its labels are the right answers.
            seed: of everything that is drawn.
        """


def _unfitted(name: str) -> Fitter:
    """The fitter of a policy without parameters."""

    def make(trace: ExitTrace, *, seed: int) -> tuple[ExitPolicy, ...]:  # noqa: ARG001 (there is nothing to fit)
        return (policy_by_name(name),)

    return make


def _gati(trace: ExitTrace, *, seed: int) -> tuple[ExitPolicy, ...]:
    """Both forms of the gate."""
    return tuple(fit_gati(trace, ordered=ordered, seed=seed) for ordered in (False, True))


def _accuracy_bins(trace: ExitTrace, *, seed: int) -> tuple[ExitPolicy, ...]:  # noqa: ARG001 (nothing is drawn)
    return (fit_accuracy_bins(trace),)


def _geometric_ensemble(trace: ExitTrace, *, seed: int) -> tuple[ExitPolicy, ...]:  # noqa: ARG001 (nothing is drawn)
    return (fit_geometric_ensemble(trace),)


FITTERS: Mapping[str, Fitter] = MappingProxyType(
    {
        **{name: _unfitted(name) for name in ("max-probability", "margin", "entropy", "patience")},
        "gati": _gati,
        "accuracy-bins": _accuracy_bins,
        "geometric-ensemble": _geometric_ensemble,
    }
)
"""Name of a policy -> its fitter: of those for one answer a sample whose thresholds are searched on their scores."""
