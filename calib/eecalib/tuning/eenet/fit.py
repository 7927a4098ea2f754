"""Fit EENet's exit scores and exit assignment in turns, for one budget."""

from dataclasses import dataclass

import numpy as np

from eecalib.tuning.eenet.assignment import AssignmentProblem, assign, fit_assignment, initial_nets
from eecalib.tuning.eenet.features import ExitFeatures
from eecalib.tuning.eenet.scores import all_scores, fit_scores, initial_weights
from eecalib.tuning.share_cost import F64, ShareCost

__all__ = ["EENetFit", "fit_eenet"]

TURNS = 3
SCORE_STEPS, ASSIGNMENT_STEPS = 10, 25
"""L-BFGS iterations in a turn. In these terms the paper takes ten epochs of Adam for each."""

ASSIGNED = 2_000
"""Most samples that the assignment is fitted to: it hardly depends on the sample."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EENetFit:
    """What was fitted for a budget.

    Attributes:
        weights: of the scores, see `initial_weights`.
        nets: parameters of the assignment.
        assigned: `[exits, samples]`, the share of each sample that belongs to each exit.
    """

    weights: F64
    nets: F64
    assigned: F64

    @property
    def shares(self) -> F64:
        """The share of all samples that belongs to each exit, `[exits]`."""
        mean: F64 = self.assigned.mean(axis=1)
        return mean


def fit_eenet(
    features: ExitFeatures, cost: ShareCost, budget_ms: float, *, seed: int, start: EENetFit | None
) -> EENetFit:
    """Return scores and assignment for a budget.

    In each turn the scores are fitted with the assignment held fixed, then the assignment with the scores held fixed.

    Args:
        features: of the samples.
        cost: of a batch.
        budget_ms: what a batch may cost on average.
        seed: of the initial assignment.
        start: the fit for a budget nearby, to go on from; None: the largest probability and equal shares.
    """
    weights = initial_weights(features.exits, features.classes) if start is None else start.weights
    few = features.rows(np.random.default_rng(seed).permutation(features.samples)[:ASSIGNED])
    problem = _problem(weights, few, cost, budget_ms)
    nets = fit_assignment(
        initial_nets(problem, seed) if start is None else start.nets, problem, iterations=ASSIGNMENT_STEPS
    )
    for _ in range(TURNS if start is None else 1):
        assigned = assign(nets, _problem(weights, features, cost, budget_ms))
        weights = fit_scores(weights, features, assigned, iterations=SCORE_STEPS)
        nets = fit_assignment(nets, _problem(weights, few, cost, budget_ms), iterations=ASSIGNMENT_STEPS)
    return EENetFit(weights=weights, nets=nets, assigned=assign(nets, _problem(weights, features, cost, budget_ms)))


def _problem(weights: F64, features: ExitFeatures, cost: ShareCost, budget_ms: float) -> AssignmentProblem:
    """Return what the assignment is fitted to, with these scores."""
    scores = np.clip(all_scores(weights, features), 0, 1)
    inputs = [np.concatenate([values, scores[:exit_].T], axis=1) for exit_, values in enumerate(features.values[:-1])]
    return AssignmentProblem(inputs=tuple(inputs), scores=scores, cost=cost, budget_ms=budget_ms)
