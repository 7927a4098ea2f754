"""How well the score of each exit tells right answers from wrong ones: what savings follow, not calibration."""

import numpy as np

from eecalib.auroc import auroc
from eecalib.exit_table import ExitTable
from eecompile.build.report import RankReport

__all__ = ["rank_score"]


def rank_score(table: ExitTable, score: str) -> RankReport:
    """Return the AUROC of "this exit is right" for every exit.

    A sample with one answer a pixel counts as right where more of its pixels are right than of half of the samples.

    Args:
        table: scores and answers.
        score: name of the policy that made the scores.
    """
    share = table.correct / np.maximum(table.units, 1)[:, None]
    right = share > (np.median(share, axis=0) if table.answers.ndim > 2 else 0.5)
    values = tuple(auroc(table.scores[:, exit_], right[:, exit_]) for exit_ in range(table.exits))
    return RankReport(score=score, auroc=values)
