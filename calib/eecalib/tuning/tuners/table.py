"""Every way to find a policy with thresholds, by the name that users give."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from eecalib.fit import LEVELS, fit_accuracy_bins, fit_gati, fit_geometric_ensemble, pixel_count_policies
from eecalib.trace import ExitTrace, Trace
from eecalib.tuning.candidate import Candidate
from eecalib.tuning.data import TuningData
from eecalib.tuning.eenet import eenet_candidates, eenet_for_budget
from eecalib.tuning.logits_of import logits_of
from eecalib.tuning.predictive_exit import predictive_exit_candidates
from eecalib.tuning.tuners.list_tuner import ListTuner
from eecalib.tuning.tuners.pame_tuner import PameTuner
from eecalib.tuning.tuners.pixel_count_tuner import PixelCountTuner
from eecalib.tuning.tuners.score_tuner import ScoreTuner, without_fit
from eecalib.tuning.tuners.tuner import Drops, Tuner
from eengines.errors import UserError
from eerun.policies import EntropyPolicy, ExitPolicy, MarginPolicy, MaxProbabilityPolicy, PatiencePolicy

__all__ = ["MAP_TUNERS", "TUNERS", "left_out_when_folded", "map_policies", "tuners_for"]

KEPT_LISTS = 4
"""Lists of candidates that are kept: tuners of one family ask for the same, on all samples and on two folds."""


def _gati(name: str, *, ordered: bool) -> Tuner:
    def fit(trace: Trace, seed: int) -> ExitPolicy:
        return fit_gati(logits_of(trace, name), ordered=ordered, seed=seed)

    return ScoreTuner(name=name, fit=fit, deals=1)


def _fitted(name: str, fit: Callable[[ExitTrace], ExitPolicy]) -> Tuner:
    return ScoreTuner(name=name, fit=lambda trace, _seed: fit(logits_of(trace, name)), deals=1)


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
        "max-probability": without_fit(MaxProbabilityPolicy()),
        "margin": without_fit(MarginPolicy()),
        "entropy": without_fit(EntropyPolicy()),
        "patience": without_fit(PatiencePolicy()),
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


MAP_TUNERS: Mapping[str, Tuner] = MappingProxyType(
    {
        "max-probability": without_fit(MaxProbabilityPolicy()),
        "margin": without_fit(MarginPolicy()),
        "entropy": without_fit(EntropyPolicy()),
        "pixel-count": PixelCountTuner(),
    }
)
"""Of networks with one answer a pixel."""


def tuners_for(names: Sequence[str], *, maps: bool, fold: int = 1) -> dict[str, Tuner]:
    """Return tuners by name; `all` stands for every one that fits.

    Args:
        names: names, or `all`.
        maps: whether the network has one answer a pixel.
        fold: images a group; 1: the network is not folded.

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
        if fold > 1 and name != "all" and known[name].by_shares:
            fitting = ", ".join(other for other, tuner in known.items() if not tuner.by_shares)
            problem = f"got {name!r}, whose shares are of samples; images of a network folded by {fold} leave in groups"
            raise UserError("--policy", problem, f"Choose from all, {fitting}")
    if "all" in names:
        return {name: tuner for name, tuner in known.items() if fold == 1 or not tuner.by_shares}
    return {name: known[name] for name in dict.fromkeys(names)}


def left_out_when_folded(names: Sequence[str]) -> tuple[str, ...]:
    """Return the tuners that `all` does not stand for where a network is folded; none where it is not in `names`."""
    return tuple(name for name, tuner in TUNERS.items() if tuner.by_shares) if "all" in names else ()
