"""Predictive Exit: where samples are tested first and next, and the thresholds, for allowed drops.

- `predictive-exit`: the largest probability over thresholds searched for, and a table fitted to data.
- `predictive-exit-published`: logits, one factor beta for all exits, and the class filter.

Source: "Predictive Exit: Prediction of Fine-Grained Early Exits for Computation- and Energy-Efficient Inference",
AAAI 2023.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eecalib.thresholds.problem import Thresholds
from eecalib.trace import ExitTrace, Played, play
from eecalib.tuning.candidate import Candidate
from eecalib.tuning.data import TuningData
from eecalib.tuning.logits_of import logits_of
from eecalib.tuning.predictive_exit.forecast_table import ForecastTable, every_usable, fit_table
from eecalib.tuning.predictive_exit.published import published_policies
from eecalib.tuning.predictive_exit.routes import Route, Signals
from eecalib.tuning.predictive_exit.row_prices import RowPrices
from eecalib.tuning.search import thresholds_for_drop
from eerun.policies import F32, MaxProbabilityPolicy, PredictiveExitPolicy

__all__ = ["PREDICTIVE_TUNERS", "predictive_exit_candidates"]

PREDICTIVE_TUNERS = ("predictive-exit", "predictive-exit-published")

LOOSER = (0.0, 0.005)
"""Added to the drop that thresholds are searched for: a sample that is tested later than it might leave is answered by
a better exit, so that the drop with skipping is smaller."""

ROUNDS = 3
"""How often the table is fitted; each time with prices at the numbers of samples that the last one gave."""

CLOSED = 2.0
"""Scale of an exit where nobody leaves: a probability is at most 1."""


class _Option(NamedTuple):
    """A candidate, with its expected milliseconds and right answers."""

    ms: float
    correct: int
    candidate: Candidate


def predictive_exit_candidates(
    data: TuningData, drops: Sequence[float], tuners: Sequence[str] = PREDICTIVE_TUNERS
) -> tuple[Candidate, ...]:
    """Return, for each allowed drop from small to large, one candidate of each tuner.

    Each is the cheapest found that keeps the drop on these samples. Where nothing keeps it, or nothing saves time,
    nobody is tested before the final exit.

    Args:
        data: the recording, and the costs; where heads are in their segments, skipping saves nothing.
        drops: allowed relative drops.
        tuners: some of `PREDICTIVE_TUNERS`.

    Raises:
        UserError: the recording is of maps.
    """
    trace = logits_of(data.trace, "predictive-exit")
    played = play(MaxProbabilityPolicy(), trace)
    right = played.table.against(agreement=False) > 0
    options: dict[str, list[_Option]] = {}
    if "predictive-exit" in tuners:
        searched = sorted({drop + more for drop in drops for more in LOOSER})
        options["predictive-exit"] = [each for drop in searched for each in _calibrated(played, data, right, drop)]
    if "predictive-exit-published" in tuners:
        options["predictive-exit-published"] = _published(trace, data, right)
    found: list[Candidate] = []
    for drop in sorted(drops):
        for tuner, tried in options.items():
            kept = [option for option in tried if option.correct >= data.required(drop)]
            found.append(min((_never(tuner, data, right), *kept), key=lambda option: option.ms).candidate)
    return tuple(found)


def _calibrated(played: Played, data: TuningData, right: NDArray[np.bool_], drop: float) -> list[_Option]:
    """Return tables for the thresholds that a drop allows: testing at each exit that is used, and fitted ones."""
    thresholds = thresholds_for_drop(played, data, drop)
    usable = np.array([threshold is not None for threshold in thresholds], np.bool_)
    scales = tuple(CLOSED if threshold is None else threshold for threshold in thresholds)
    rho: F32 = np.divide(played.table.scores[:, :-1], np.array(scales, np.float32), dtype=np.float32)
    table, options = every_usable(usable), []
    for _ in range(ROUNDS + 1):
        route = Signals(leaves=rho >= 1, next_exits=table.look_up(rho)).route(table.start)
        policy = _policy(scales, table)
        options.append(_option("predictive-exit", policy, route, data, right))
        table = fit_table(rho, usable, RowPrices.near(route, data))
    return options


def _published(trace: ExitTrace, data: TuningData, right: NDArray[np.bool_]) -> list[_Option]:
    """Return what each beta gives from each first exit."""
    options = []
    for policy in published_policies(trace):
        signals = Signals.of(policy, trace)
        for start in range(data.trace.exits - 1):
            started = replace(policy, start=start)
            options.append(_option("predictive-exit-published", started, signals.route(start), data, right))
    return options


def _never(tuner: str, data: TuningData, right: NDArray[np.bool_]) -> _Option:
    """Return the option in which everybody is first tested at the final exit."""
    early = data.trace.exits - 1
    table = every_usable(np.zeros(early, np.bool_))
    everybody = np.full(data.samples, early, np.int64)
    route = Route(exit_index=everybody, tested=np.zeros((data.samples, early), np.bool_))
    return _option(tuner, _policy((CLOSED,) * early, table), route, data, right)


def _policy(scales: tuple[float, ...], table: ForecastTable) -> PredictiveExitPolicy:
    """Return the policy of a table."""
    return PredictiveExitPolicy(
        forecast="calibrated", start=table.start, scales=scales, edges=table.edges, next_exits=table.next_exits
    )


def _option(
    tuner: str, policy: PredictiveExitPolicy, route: Route, data: TuningData, right: NDArray[np.bool_]
) -> _Option:
    """Return the candidate with what its route gives. A sample leaves where rho is at least 1."""
    closed = [policy.forecast == "calibrated" and scale == CLOSED for scale in policy.scales]
    thresholds: Thresholds = tuple(None if each else 1.0 for each in closed)
    candidate = Candidate(tuner=tuner, policy=policy, thresholds=thresholds)
    return _Option(ms=route.expected_ms(data), correct=route.correct(right), candidate=candidate)
