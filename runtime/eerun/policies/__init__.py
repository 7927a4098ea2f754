"""The exit policies, and the table that finds them by name."""

from collections.abc import Mapping
from types import MappingProxyType

from eengines.errors import UserError
from eerun.policies.base import F32, ExitPolicy, GraphOps, State
from eerun.policies.entropy import EntropyPolicy
from eerun.policies.margin import MarginPolicy
from eerun.policies.max_probability import MaxProbabilityPolicy
from eerun.policies.patience import PatiencePolicy

__all__ = [
    "F32",
    "POLICIES",
    "EntropyPolicy",
    "ExitPolicy",
    "GraphOps",
    "MarginPolicy",
    "MaxProbabilityPolicy",
    "PatiencePolicy",
    "State",
    "policy_by_name",
]

POLICIES: Mapping[str, type[ExitPolicy]] = MappingProxyType(
    {
        MaxProbabilityPolicy.name: MaxProbabilityPolicy,
        MarginPolicy.name: MarginPolicy,
        EntropyPolicy.name: EntropyPolicy,
        PatiencePolicy.name: PatiencePolicy,
    }
)


def policy_by_name(name: str) -> ExitPolicy:
    """Return the policy that has this name.

    Raises:
        UserError: there is none.
    """
    if name not in POLICIES:
        raise UserError(
            "exit policy",
            f"got '{name}', expected one of {', '.join(POLICIES)}",
            "Choose one of these names",
        )
    return POLICIES[name]()
