"""One policy with thresholds: what a bundle could run."""

from dataclasses import dataclass

from eecalib.thresholds.problem import Thresholds
from eerun.policies import ExitPolicy

__all__ = ["Candidate"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A policy, fitted, with thresholds.

    Attributes:
        tuner: what found it: a name that the user can give to `--policy`.
        policy: the rule.
        thresholds: one for each exit but the last; None: nobody leaves there.
    """

    tuner: str
    policy: ExitPolicy
    thresholds: Thresholds
