"""PAME's greedy rule: each exit in turn lets as many samples go as the remaining budget allows.

PAME (precision-aware multi-exit serving) takes, at each exit, the setting with the smallest move-on ratio `r` whose
blended metric `a · (1 − r) + f · r` reaches the target `M`; `a` is the exit's quality on the samples that leave and
`f` the final exit's on those that move on. The samples that move on inherit the target

    M_{i+1} = (M_i − a_i · (1 − r_i)) / r_i,    M_1 = M · θ.

Times the number of samples at that exit (of maps, of their pixels), this is integer arithmetic: what they must get
right is what was required before, less what the leavers got right. Two details differ from the published grid: every
distinct score is a candidate, and a blend that meets the target exactly is accepted.
"""

import numpy as np

from eecalib.thresholds.problem import Found, Problem, cuts, threshold_at

__all__ = ["pame_thresholds"]


def pame_thresholds(problem: Problem) -> Found:
    """Choose thresholds exit by exit with PAME's rule. Costs are not looked at.

    An exit where no setting meets the target lets nobody go.
    """
    moving = np.ones(problem.samples, np.bool_)
    required = problem.required
    thresholds: list[float | None] = []
    candidates = 0
    for exit_ in range(problem.exits - 1):
        order = problem.order[exit_]
        rows = order[moving[order]]
        scores = problem.scores[rows, exit_]
        options = cuts(scores) if len(rows) else np.zeros(1, np.int64)
        right = np.concatenate([[0], np.cumsum(problem.correct[rows, exit_])])
        final = np.concatenate([[0], np.cumsum(problem.correct[rows, -1])])
        blended = right[options] + (final[-1] - final[options])
        allowed = options[blended >= required]
        cut = int(allowed.max(initial=0))
        candidates += len(options)
        thresholds.append(threshold_at(scores, cut))
        required -= int(right[cut])
        moving[rows[:cut]] = False
    return Found(thresholds=tuple(thresholds), candidates=candidates)
