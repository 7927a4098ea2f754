"""Refuse a folded checkpoint where a command needs the network before folding."""

from eengines.errors import UserError

__all__ = ["refuse_folded"]


def refuse_folded(fold: int, *, where: str, why: str) -> None:
    """Refuse a fold factor above 1.

    Args:
        fold: of the checkpoint.
        where: the file, for messages.
        why: what the command cannot do with a folded network.

    Raises:
        UserError: the network is folded.
    """
    if fold > 1:
        problem = f"is folded by {fold}: {why}"
        raise UserError(where, problem, "Give the network before folding, and fold the result with eecompile fold")
