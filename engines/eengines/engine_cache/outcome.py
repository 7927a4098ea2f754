"""How the cache came by a plan."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Outcome"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Where a plan came from, and why.

    Attributes:
        status: `hit`: from the cache; `built`: the cache had nothing for this label and library; `rebuilt`: what it had
            was for something else, or damaged.
        reason: one sentence, with the label in front.
        not_kept: why a plan that was built is not in the cache now; empty: it is.
    """

    status: Literal["hit", "built", "rebuilt"]
    reason: str
    not_kept: str = ""
