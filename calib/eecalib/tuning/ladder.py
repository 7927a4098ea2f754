"""Candidates of one policy from slow to fast, for a certificate to go through."""

from eecalib.trace import play
from eecalib.tuning.candidate import Candidate
from eecalib.tuning.data import TuningData
from eecalib.tuning.outcome import evaluate
from eecalib.tuning.search import thresholds_for_drop

__all__ = ["ladder_of"]

STEPS = (-2.0, -1.5, -1.0, -0.75, -0.5, -0.25, 0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0, 1.25, 1.5)
"""Relative drops that are searched for, in units of the limit."""


def ladder_of(candidate: Candidate, data: TuningData, limit: float) -> tuple[Candidate, ...]:
    """Return candidates with the same policy and parameters, from slow to fast on the recording; all save something.

    The order is that of the expected cost on *tune*: the *certify* samples must not choose it. Of those that cost the
    same the one with more right answers stays.

    Args:
        candidate: the one that was chosen; it is among them.
        data: the recording of *tune*, and costs.
        limit: what is to be promised.
    """
    played = play(candidate.policy, data.trace)
    found = {candidate.thresholds: candidate}
    for step in STEPS:
        thresholds = thresholds_for_drop(played, data, step * limit)
        if any(threshold is not None for threshold in thresholds):
            found.setdefault(
                thresholds, Candidate(tuner=candidate.tuner, policy=candidate.policy, thresholds=thresholds)
            )
    outcomes = {key: evaluate(each, data, played) for key, each in found.items()}
    order = sorted(found, key=lambda key: (-outcomes[key].expected_ms, -outcomes[key].correct))
    ladder: list[Candidate] = []
    for key in order:
        if not ladder or outcomes[key].expected_ms < outcomes[ladder[-1].thresholds].expected_ms:
            ladder.append(found[key])
    return tuple(ladder)
