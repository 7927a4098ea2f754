"""Refuse an exit that a policy was not fitted to."""

from eengines.errors import UserError

__all__ = ["is_final"]


def is_final(exit_index: int, *, early: int, policy: str) -> bool:
    """Return whether an exit is the final one, for which nothing was fitted.

    Args:
        exit_index: 0 for the first exit.
        early: how many exits the policy was fitted to: all but the final one.
        policy: its name, for the message.

    Raises:
        UserError: the exit is neither one of these nor the next one.
    """
    if not 0 <= exit_index <= early:
        raise UserError(
            f"policy {policy}",
            f"got exit {exit_index}, its parameters are for {early + 1} exits",
            "Run `eecompile tune` for this network",
        )
    return exit_index == early
