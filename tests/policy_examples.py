"""One policy of every kind, those with parameters with some that fit a network of so many exits and classes."""

from collections.abc import Callable, Mapping

from eerun.policies import POLICIES, ExitPolicy, policy_by_name

__all__ = ["FITTED", "policy_example"]

FITTED: Mapping[str, Callable[[int, int], ExitPolicy]] = {}
"""Name -> what makes a policy for a number of exits, the final one included, and of classes."""


def policy_example(name: str, *, exits: int = 3, classes: int = 7) -> ExitPolicy:
    """A policy of this name; the same for the same numbers."""
    assert name in POLICIES
    return FITTED[name](exits, classes) if name in FITTED else policy_by_name(name)
