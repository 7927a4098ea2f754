"""Every way to find a policy with thresholds, by the name that users give."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol

import numpy as np

from eecalib.fit import LEVELS, fit_accuracy_bins, fit_gati, fit_geometric_ensemble, pixel_count_policies
from eecalib.thresholds.pame import pame_thresholds
from eecalib.trace import ExitTrace, MapTrace, Played, Trace, play
from eecalib.tuning.budget import aim_below
from eecalib.tuning.candidate import Candidate
from eecalib.tuning.data import TuningData
from eecalib.tuning.eenet.candidates import eenet_candidates, eenet_for_budget
from eecalib.tuning.outcome import evaluate
from eecalib.tuning.predictive_exit.candidates import predictive_exit_candidates
from eecalib.tuning.search import problem_for, thresholds_for_budget, thresholds_for_drop
from eecalib.tuning.share_cost import ShareCost
from eengines.errors import UserError
from eerun.policies import EntropyPolicy, ExitPolicy, MarginPolicy, MaxProbabilityPolicy, PatiencePolicy

__all__ = ["MAP_TUNERS", "TUNERS", "Tuner", "map_policies", "tuners_for"]

KEPT_LISTS = 8
"""Lists of candidates that are kept: tuners of one family ask for the same."""

PAME_STEPS = 20
"""Of the published grid of confidence thresholds, from 0 to 1."""

Drops = Sequence[float]


class Tuner(Protocol):
    """Finds candidates on a recording."""

    @property
    def skips(self) -> bool:
        """Whether its policies skip exits."""

    @property
    def folds(self) -> int:
        """Into how many parts samples are dealt to see what fitting costs; fewer where a fit takes long."""

    @property
    def deals(self) -> int:
        """How often they are dealt."""

    def frontier(self, data: TuningData, drops: Drops) -> tuple[Candidate, ...]:
        """Return one candidate for each allowed drop: the cheapest found that keeps it on these samples."""

    def within(self, data: TuningData, budget: float) -> Candidate:
        """Return the candidate with the most right answers found that keeps a budget, on new samples, too."""


@dataclass(frozen=True, kw_only=True)
class ScoreTuner:
    """A policy whose score is fitted by itself; thresholds are searched for."""

    name: str
    fit: Callable[[Trace, int], ExitPolicy]
    folds: int = 5
    deals: int = 2
    skips: bool = False

    def frontier(self, data: TuningData, drops: Drops) -> tuple[Candidate, ...]:
        """See `Tuner.frontier`."""
        policy, played = self._played(data)
        return tuple(
            Candidate(
                tuner=self.name,
                policy=policy,
                thresholds=thresholds_for_drop(played, data, drop),
            )
            for drop in drops
        )

    def within(self, data: TuningData, budget: float) -> Candidate:
        """See `Tuner.within`."""
        policy, played = self._played(data)
        found = Candidate(tuner=self.name, policy=policy, thresholds=thresholds_for_budget(played, data, budget))
        cost, shares = ShareCost(cost=data.cost), np.array(evaluate(found, data, played).shares)
        aim = float(cost.ms(aim_below(cost, shares, budget, added_ms=0.0, seed=data.seed)))
        return Candidate(tuner=self.name, policy=policy, thresholds=thresholds_for_budget(played, data, aim))

    def _played(self, data: TuningData) -> tuple[ExitPolicy, Played]:
        policy = self.fit(data.trace, data.seed)
        return policy, play(policy, data.trace)


@dataclass(frozen=True, kw_only=True)
class PameTuner:
    """PAME as published: confidence, a grid of thresholds, and the recursive residual budget; see `thresholds.pame`."""

    name: str = "pame"
    folds: int = 5
    deals: int = 2
    skips: bool = False

    def frontier(self, data: TuningData, drops: Drops) -> tuple[Candidate, ...]:
        """See `Tuner.frontier`."""
        policy = MaxProbabilityPolicy()
        played = _on_grid(play(policy, data.trace))
        return tuple(
            Candidate(
                tuner=self.name,
                policy=policy,
                thresholds=pame_thresholds(problem_for(played, data, data.required(drop))).thresholds,
            )
            for drop in drops
        )

    def within(self, data: TuningData, budget: float) -> Candidate:
        """See `Tuner.within`; the paper has no budget, so the drop is found by halving."""
        return _halve(self, data, budget)


@dataclass(frozen=True, kw_only=True)
class ListTuner:
    """A tuner that lists operating points of its own; for a drop the cheapest that keeps it is taken."""

    name: str
    list_candidates: Callable[[TuningData, Drops], Sequence[Candidate]]
    budgeted: Callable[[TuningData, float], Sequence[Candidate]] | None
    folds: int = 2
    deals: int = 1
    skips: bool = False

    def frontier(self, data: TuningData, drops: Drops) -> tuple[Candidate, ...]:
        """See `Tuner.frontier`; where none keeps a drop, nobody leaves early."""
        listed = [each for each in self.list_candidates(data, drops) if each.tuner == self.name]
        never = Candidate(tuner=self.name, policy=listed[0].policy, thresholds=(None,) * len(listed[0].thresholds))
        outcomes = [(candidate, evaluate(candidate, data)) for candidate in (never, *listed)]
        found = []
        for drop in drops:
            required = data.required(drop)
            keeping = [pair for pair in outcomes if pair[1].correct >= required]
            found.append(min(keeping, key=lambda pair: pair[1].expected_ms)[0] if keeping else never)
        return tuple(found)

    def within(self, data: TuningData, budget: float) -> Candidate:
        """See `Tuner.within`."""
        if self.budgeted is None:
            return _halve(self, data, budget)
        return next(each for each in self.budgeted(data, budget) if each.tuner == self.name)


def _halve(tuner: Tuner, data: TuningData, budget: float) -> Candidate:
    """The candidate of the smallest of many drops whose cost is so far below a budget that new samples keep it."""
    found = tuner.frontier(data, tuple(np.linspace(0.0, 0.3, 61).tolist()))
    outcomes = [evaluate(each, data) for each in found]

    def first_within(limit: float) -> int:
        return next((index for index, each in enumerate(outcomes) if each.expected_ms <= limit), len(found) - 1)

    cost, shares = ShareCost(cost=data.cost), np.array(outcomes[first_within(budget)].shares)
    aim = float(cost.ms(aim_below(cost, shares, budget, added_ms=0.0, seed=data.seed)))
    return found[first_within(budget - max(0.0, min(budget, cost.most_ms) - aim))]


def _on_grid(played: Played) -> Played:
    """Scores rounded down to the published grid, so that thresholds are its numbers."""
    grid = (np.arange(PAME_STEPS + 1) / PAME_STEPS).astype(np.float32)
    steps = np.searchsorted(grid, played.table.scores, side="right") - 1
    return replace(played, table=replace(played.table, scores=grid[steps]))


def exit_logits(trace: Trace) -> ExitTrace:
    """Return a trace that has logits.

    Raises:
        UserError: it is of maps.
    """
    if isinstance(trace, MapTrace):
        raise UserError("policy", "it is fitted to logits, and a trace of maps has none", "Choose one for maps")
    return trace


def _gati(name: str, *, ordered: bool) -> Tuner:
    def fit(trace: Trace, seed: int) -> ExitPolicy:
        return fit_gati(exit_logits(trace), ordered=ordered, seed=seed)

    return ScoreTuner(name=name, fit=fit, deals=1)


def _fitted(name: str, fit: Callable[[ExitTrace], ExitPolicy]) -> Tuner:
    return ScoreTuner(name=name, fit=lambda trace, _seed: fit(exit_logits(trace)), deals=1)


def _plain(policy: ExitPolicy) -> Tuner:
    return ScoreTuner(name=policy.name, fit=lambda _trace, _seed: policy)


@lru_cache(maxsize=KEPT_LISTS)
def _eenet_listed(data: TuningData) -> tuple[Candidate, ...]:
    return eenet_candidates(data)


@lru_cache(maxsize=KEPT_LISTS)
def _eenet_budgeted(data: TuningData, budget: float) -> tuple[Candidate, ...]:
    return eenet_for_budget(data, budget)


@lru_cache(maxsize=KEPT_LISTS)
def _predictive_listed(data: TuningData, drops: tuple[float, ...]) -> tuple[Candidate, ...]:
    return predictive_exit_candidates(data, drops)


def _eenet(name: str) -> Tuner:
    return ListTuner(name=name, list_candidates=lambda data, _drops: _eenet_listed(data), budgeted=_eenet_budgeted)


def _predictive(name: str) -> Tuner:
    def listed(data: TuningData, drops: Drops) -> Sequence[Candidate]:
        return _predictive_listed(data, tuple(drops))

    return ListTuner(name=name, list_candidates=listed, budgeted=None, skips=True)


TUNERS: Mapping[str, Tuner] = MappingProxyType(
    {
        "max-probability": _plain(MaxProbabilityPolicy()),
        "margin": _plain(MarginPolicy()),
        "entropy": _plain(EntropyPolicy()),
        "patience": _plain(PatiencePolicy()),
        "pame": PameTuner(),
        "gati": _gati("gati", ordered=True),
        "gati-by-class": _gati("gati-by-class", ordered=False),
        "accuracy-bins": _fitted("accuracy-bins", fit_accuracy_bins),
        "geometric-ensemble": _fitted("geometric-ensemble", fit_geometric_ensemble),
        "eenet": _eenet("eenet"),
        "eenet-exp": _eenet("eenet-exp"),
        "eenet-simplex": _eenet("eenet-simplex"),
        "predictive-exit": _predictive("predictive-exit"),
        "predictive-exit-published": _predictive("predictive-exit-published"),
    }
)
"""Of networks with one answer a sample."""


def map_policies(exits: int) -> tuple[ExitPolicy, ...]:
    """Return the policies whose scores a trace of maps holds.

    Args:
        exits: number of exits, the final one included.
    """
    return (MaxProbabilityPolicy(), MarginPolicy(), EntropyPolicy(), *pixel_count_policies(LEVELS, exits))


@dataclass(frozen=True, kw_only=True)
class PixelCountTuner:
    """PAME's rule for maps, at the level of confidence that serves best: thresholds are searched for each."""

    name: str = "pixel-count"
    folds: int = 5
    deals: int = 1
    skips: bool = False

    def frontier(self, data: TuningData, drops: Drops) -> tuple[Candidate, ...]:
        """See `Tuner.frontier`."""
        levels = self._levels(data)
        found = [_plain(policy).frontier(data, drops) for policy in levels]
        return tuple(min(each, key=lambda one: evaluate(one, data).expected_ms) for each in zip(*found, strict=True))

    def within(self, data: TuningData, budget: float) -> Candidate:
        """See `Tuner.within`."""
        levels = self._levels(data)
        found = [_plain(policy).within(data, budget) for policy in levels]
        return max(found, key=lambda each: evaluate(each, data).correct)

    def _levels(self, data: TuningData) -> list[ExitPolicy]:
        recorded = data.trace.policies if isinstance(data.trace, MapTrace) else ()
        return [policy for policy in recorded if policy.name == self.name]


MAP_TUNERS: Mapping[str, Tuner] = MappingProxyType(
    {
        "max-probability": _plain(MaxProbabilityPolicy()),
        "margin": _plain(MarginPolicy()),
        "entropy": _plain(EntropyPolicy()),
        "pixel-count": PixelCountTuner(),
    }
)
"""Of networks with one answer a pixel."""


def tuners_for(names: Sequence[str], *, maps: bool) -> dict[str, Tuner]:
    """Return tuners by name; `all` stands for every one that fits.

    Args:
        names: names, or `all`.
        maps: whether the network has one answer a pixel.

    Raises:
        UserError: there is no such tuner, or it does not fit.
    """
    known = MAP_TUNERS if maps else TUNERS
    for name in names:
        if name != "all" and name not in known:
            where = "of any kind"
            if name in TUNERS or name in MAP_TUNERS:
                where = "that answers every pixel" if maps else "with one answer a sample"
            raise UserError(
                "--policy",
                f"got {name!r}, which is no policy for a network {where}",
                f"Choose from all, {', '.join(known)}",
            )
    return dict(known) if "all" in names else {name: known[name] for name in dict.fromkeys(names)}
