"""Candidates of one policy from slow to fast, for a certificate to go through."""

from eecalib.trace import play
from eecalib.tuning.candidate import Candidate
from eecalib.tuning.data import TuningData
from eecalib.tuning.outcome import evaluate
from eecalib.tuning.search import thresholds_for_drop

__all__ = ["ladder_of"]

STEPS = (-2.0, -1.5, -1.0, -0.75, -0.5, -0.25, 0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0, 1.25, 1.5)
"""Relative drops that are searched for, in units of the limit."""


def ladder_of(candidate: Candidate, data: TuningData, limit: float, *, budget: float | None) -> tuple[Candidate, ...]:
    """Return candidates with the same policy and parameters, from slow to fast on the recording; all save something.

    The order is that of the expected cost on *tune*: the *certify* samples must not choose it. None breaks what was
    asked for: for a drop none is faster than the chosen one, for a budget none costs more than it allows. Of those
    that cost the same the chosen one stays, or the one with more right answers.

    Args:
        candidate: the one that was chosen.
        data: the recording of *tune*, and costs.
        limit: what is to be promised.
        budget: what a batch may cost on average, in the unit of the costs; None: a drop was asked for.
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
    chosen = outcomes[candidate.thresholds].expected_ms
    ladder: list[Candidate] = []
    for key in sorted(
        found, key=lambda key: (-outcomes[key].expected_ms, key != candidate.thresholds, -outcomes[key].correct)
    ):
        cost = outcomes[key].expected_ms
        asked = cost >= chosen if budget is None else cost <= budget
        if asked and (not ladder or cost < outcomes[ladder[-1].thresholds].expected_ms):
            ladder.append(found[key])
    return tuple(ladder)
