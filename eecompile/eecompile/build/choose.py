"""Choose the fastest configuration that keeps what the user asks for."""

from collections.abc import Sequence
from dataclasses import dataclass

from eecompile.build.settings import BuildSettings
from eecompile.build.target_graphs import TargetGraphs
from eecompile.build.trial import Trial
from eecompile.stages import Stages
from eengines.errors import BuildError

__all__ = ["Chosen", "choose"]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What goes into the bundle.

    Attributes:
        kept: trials that answer like float32 often enough: the chosen one, then the others from fast to slow.
        dropped: trials that do not.
        targets: graphs for other devices.
    """

    kept: tuple[Trial, ...]
    dropped: tuple[Trial, ...]
    targets: tuple[TargetGraphs, ...]

    @property
    def best(self) -> Trial:
        """The one that the bundle runs unless the caller wants another."""
        return self.kept[0]

    @property
    def fastest_whole(self) -> Trial:
        """Where the network without exit heads is fastest: what exits are compared with."""
        return min(self.kept, key=lambda trial: trial.whole_ms)


def choose(trials: Sequence[Trial], targets: Sequence[TargetGraphs], settings: BuildSettings, stages: Stages) -> Chosen:
    """Return the fastest of those that the user accepts, by the expected time of a full batch with exits.

    Raises:
        BuildError: none of them keeps `max_quant_drop`.
    """
    keeping = [trial for trial in trials if _may_stay(trial, settings)]
    accepted = [t for t in keeping if settings.accepts(t.candidate.engine, t.candidate.precision)]
    if not accepted:
        raise BuildError(
            f"--engine {settings.engine} --precision {settings.wanted_here}",
            _refused(trials, settings),
            "Allow more with --max-quant-drop, or keep the layers that suffer in float with --keep-float",
        )
    best = min(accepted, key=lambda trial: trial.expected_ms)
    others = sorted((trial for trial in keeping if trial is not best), key=lambda trial: trial.expected_ms)
    dropped = tuple(trial for trial in trials if trial not in keeping)
    for trial in dropped:
        stages.detail(f"{_why(trial)}: not kept")
    stages.detail(f"chosen: {best.candidate.words}, {best.expected_ms:.2f} ms a batch of {best.batch}")
    return Chosen(kept=(best, *others), dropped=dropped, targets=tuple(targets))


def _refused(trials: Sequence[Trial], settings: BuildSettings) -> str:
    """Why nothing that the user accepts is left."""
    reasons = [_why(t) for t in trials if settings.accepts(t.candidate.engine, t.candidate.precision)]
    if not reasons:
        return "nothing of it could be run, see the warnings above"
    return f"{'; '.join(reasons)}, allowed are {settings.max_quant_drop:.2%}"


def _may_stay(trial: Trial, settings: BuildSettings) -> bool:
    """Without data nothing is known of other precisions: they are kept only if the user names them."""
    if trial.agreement is None:
        return trial.candidate.precision in ("float32", settings.wanted_here)
    return trial.keeps(settings.max_quant_drop)


def _why(trial: Trial) -> str:
    """By how much a trial differs from float32."""
    if trial.agreement is None or trial.answers_kept is None:
        return trial.candidate.words
    return (
        f"{trial.candidate.words} answers {1 - trial.agreement[-1]:.2%} of the tune {trial.unit}s otherwise than "
        f"float32 at the final exit, {1 - trial.answers_kept:.2%} where they leave"
    )
