"""What it saves to skip heads, against testing a sample at every head."""

from dataclasses import replace

import numpy as np

from eecalib.tuning.candidate import Candidate
from eecalib.tuning.data import TuningData
from eecalib.tuning.outcome import evaluate
from eecalib.tuning.predictive_exit.forecast_table import every_usable
from eengines.errors import UserError
from eerun.policies import PredictiveExitPolicy

__all__ = ["skipping_saves"]


def skipping_saves(candidate: Candidate, data: TuningData) -> tuple[float, float]:
    """Return the expected milliseconds of a batch with skipping, and when every head is tested that has a threshold.

    Signals and thresholds are the same in both. A sample that is tested everywhere leaves at the first exit that lets
    it go, so that the second number has more heads and fewer segments in it. With the published forecast the first
    exit tested stays what it is: thresholds were chosen with it.

    Raises:
        UserError: the candidate's policy skips no heads.
    """
    policy = candidate.policy
    if not isinstance(policy, PredictiveExitPolicy):
        raise UserError("skipping", f"got policy {policy.name}, which tests every head", "Give a predictive-exit one")
    if policy.forecast == "published":
        everywhere = replace(policy, reach=1)
    else:
        table = every_usable(np.array([threshold is not None for threshold in candidate.thresholds], np.bool_))
        everywhere = replace(policy, start=table.start, edges=table.edges, next_exits=table.next_exits)
    tested = replace(candidate, policy=everywhere)
    return evaluate(candidate, data).expected_ms, evaluate(tested, data).expected_ms
