"""The scores that a composition can be searched with: those of an exit need no other exit."""

from collections.abc import Sequence
from dataclasses import replace

from eecalib.fit import fit_gati
from eecalib.trace import ExitTrace
from eengines.errors import UserError
from eerun.policies import (
    EntropyPolicy,
    ExitPolicy,
    GatiPolicy,
    MarginPolicy,
    MaxProbabilityPolicy,
    policy_by_name,
)

__all__ = ["SCORES", "fit_score", "score_of_heads"]

SCORES = (MarginPolicy.name, MaxProbabilityPolicy.name, EntropyPolicy.name, GatiPolicy.name)


def fit_score(name: str, trace: ExitTrace, *, seed: int) -> ExitPolicy:
    """Return the policy of this name, fitted to a trace where it has something to fit; gates read sorted values.

    Raises:
        UserError: its score is not that of one exit alone, or there is no such policy.
        DataError: there are too few samples to fit it to.
    """
    if name not in SCORES:
        raise UserError("--policy", f"got {name!r}, expected one of {', '.join(SCORES)}", "Choose one of these")
    if name == GatiPolicy.name:
        return fit_gati(trace, ordered=True, seed=seed)
    return policy_by_name(name)


def score_of_heads(policy: ExitPolicy, kept: Sequence[int]) -> ExitPolicy:
    """Return a policy that was fitted to all heads as that of some of them."""
    if isinstance(policy, GatiPolicy):
        return replace(
            policy,
            weights=tuple(policy.weights[head] for head in kept),
            bias=tuple(policy.bias[head] for head in kept),
        )
    return policy
