"""The exit policies, and the table that finds them by name."""

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

import msgspec

from eengines.errors import UserError
from eerun.policies.accuracy_bins import AccuracyBinsPolicy
from eerun.policies.base import F32, NOT_TESTED, ExitPolicy, GraphOps, State
from eerun.policies.eenet import EENetPolicy
from eerun.policies.entropy import EntropyPolicy
from eerun.policies.gati import GatiPolicy
from eerun.policies.geometric_ensemble import GeometricEnsemblePolicy
from eerun.policies.margin import MarginPolicy
from eerun.policies.max_probability import MaxProbabilityPolicy
from eerun.policies.patience import PatiencePolicy
from eerun.policies.pixel_count import PixelCountPolicy
from eerun.policies.predictive_exit import PredictiveExitPolicy

__all__ = [
    "F32",
    "NOT_TESTED",
    "POLICIES",
    "AccuracyBinsPolicy",
    "EENetPolicy",
    "EntropyPolicy",
    "ExitPolicy",
    "GatiPolicy",
    "GeometricEnsemblePolicy",
    "GraphOps",
    "MarginPolicy",
    "MaxProbabilityPolicy",
    "PatiencePolicy",
    "PixelCountPolicy",
    "PredictiveExitPolicy",
    "State",
    "make_policy",
    "needs_data",
    "parameters_of",
    "policy_by_name",
]

POLICIES: Mapping[str, type[ExitPolicy]] = MappingProxyType(
    {
        MaxProbabilityPolicy.name: MaxProbabilityPolicy,
        MarginPolicy.name: MarginPolicy,
        EntropyPolicy.name: EntropyPolicy,
        PatiencePolicy.name: PatiencePolicy,
        GatiPolicy.name: GatiPolicy,
        AccuracyBinsPolicy.name: AccuracyBinsPolicy,
        GeometricEnsemblePolicy.name: GeometricEnsemblePolicy,
        PixelCountPolicy.name: PixelCountPolicy,
        EENetPolicy.name: EENetPolicy,
        PredictiveExitPolicy.name: PredictiveExitPolicy,
    }
)


AGAIN = "Run `eecompile tune` again"


def make_policy(name: str, parameters: Mapping[str, Any]) -> ExitPolicy:
    """Return the policy of this name with parameters that were fitted to data, as its file in a bundle holds them.

    Raises:
        UserError: there is no such policy, or these are not its parameters.
    """
    if name not in POLICIES:
        raise UserError(
            "exit policy",
            f"got '{name}', expected one of {', '.join(POLICIES)}",
            "Choose one of these names",
        )
    unknown = sorted(set(parameters) - {field.name for field in fields(POLICIES[name])})
    if unknown:
        raise UserError(f"policy {name}", f"got parameters {', '.join(unknown)}, which it does not have", AGAIN)
    try:
        return msgspec.convert(dict(parameters), POLICIES[name])
    except msgspec.ValidationError as error:
        raise UserError(f"policy {name}", f"its parameters do not fit: {error}", AGAIN) from error


def parameters_of(policy: ExitPolicy) -> dict[str, Any]:
    """Return what was fitted, as JSON holds it; `make_policy` makes the same policy of it."""
    parameters: dict[str, Any] = msgspec.to_builtins(policy)
    return parameters


def needs_data(name: str) -> bool:
    """Whether a policy has parameters that are fitted to data."""
    return bool(fields(POLICIES[name]))


def policy_by_name(name: str) -> ExitPolicy:
    """Return the policy that has this name and nothing to fit.

    Raises:
        UserError: there is no such policy, or it is fitted to data first.
    """
    if name in POLICIES and needs_data(name):
        raise UserError(
            f"policy {name}",
            "it is fitted to what the exits say, expected one without parameters",
            "Use `eecompile tune`",
        )
    return make_policy(name, {})
