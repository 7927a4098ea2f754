"""What an engine said, as the numpy reference of a policy would say it."""

import numpy as np

from eecalib.exit_table import ExitTable
from eecalib.trace import Played
from eerun.policies import NOT_TESTED, ExitPolicy

__all__ = ["as_played"]


def as_played(policy: ExitPolicy, table: ExitTable) -> Played:
    """Return a table that an engine made, as `play` makes them."""
    tested = np.ones(table.scores.shape, np.bool_)
    if policy.skips_by is not None:
        tested[:, :-1] = table.scores[:, :-1] != NOT_TESTED
    return Played(table=table, tested=tested)
