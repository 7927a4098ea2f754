"""What `eecompile build` does for a policy that is fitted to recordings, for fewer exits, and for a promise."""

from dataclasses import dataclass
from pathlib import Path

from eecalib.certify import method_by_name
from eecalib.tuning.tuners import MAP_TUNERS, tuners_for
from eecompile.build import BuildSettings
from eecompile.stages import Stages
from eecompile.tune.report import TuneReport
from eecompile.tune.settings import TuneSettings
from eecompile.tune.tune import tune
from eengines.errors import EEError, UserError
from eerun.data import default_data_path
from eerun.policies import POLICIES, MaxProbabilityPolicy, needs_data

__all__ = ["AfterBuild", "built_policy", "bundle_of", "settings_after_build", "tune_after_build"]


@dataclass(frozen=True, kw_only=True)
class AfterBuild:
    """What is tuned right after a build.

    Attributes:
        policies: names of policies, or `all`; those of `eecompile tune`.
        select_exits: see `TuneSettings`.
        split_heads: see `TuneSettings`.
        certify: see `TuneSettings`.
        confidence: see `TuneSettings`.
        certify_method: see `TuneSettings`.
    """

    policies: tuple[str, ...]
    select_exits: bool
    split_heads: bool | None
    certify: float | None
    confidence: float
    certify_method: str

    @property
    def needed(self) -> bool:
        """Whether a build alone does not do it."""
        return self.select_exits or bool(self.split_heads) or self.certify is not None or not _is_built(self.policies)


def built_policy(policies: tuple[str, ...]) -> str:
    """Return the policy that a build gives its graphs: the one asked for, or what the other is tuned from."""
    return policies[0] if _is_built(policies) else MaxProbabilityPolicy.name


def _is_built(policies: tuple[str, ...]) -> bool:
    """Whether it is one policy without parameters."""
    return len(policies) == 1 and policies[0] in POLICIES and not needs_data(policies[0])


def settings_after_build(model: Path, built: BuildSettings, wish: AfterBuild) -> TuneSettings | None:
    """Return what is tuned after a build, on the data of the build; None: the build alone does it.

    Raises:
        UserError: it cannot be: said before the build begins.
    """
    if not wish.needed:
        return None
    if built.thresholds is not None:
        raise UserError("--thresholds", "got thresholds by hand for what is tuned on recordings", "Leave them out")
    if wish.select_exits and built.gpus:
        names = ", ".join(target.name for target in built.gpus)
        raise UserError(
            "--select-exits",
            f"graphs for {names} would have the exits that were dropped",
            "Leave --target out; then build again with the --exits that were kept, and --target",
        )
    tuners_for([name for name in wish.policies if name not in MAP_TUNERS], maps=False)
    beside = default_data_path(model)
    return TuneSettings(
        data=built.data or (None if beside is None else str(beside)),
        policies=wish.policies,
        max_drop=built.max_drop,
        agreement=built.agreement,
        select_exits=wish.select_exits,
        split_heads=wish.split_heads,
        certify=wish.certify,
        confidence=wish.confidence,
        certify_method=method_by_name(wish.certify_method),
        threads=built.threads,
        measure_seconds=built.measure_seconds,
        engine=built.engine,
        precision=built.wanted_here,
        seed=built.seed,
    )


def tune_after_build(model: Path, built: BuildSettings, tuning: TuneSettings, stages: Stages) -> TuneReport:
    """Tune the bundle that was just built.

    Raises:
        EEError: it failed, as `tune` says; the bundle is there as it was built.
    """
    bundle = bundle_of(model, built)
    try:
        return tune(bundle, tuning, stages)
    except EEError as error:
        lacks = "is not tuned" if tuning.certify is None else "has no promise"
        problem = f"{error.problem}; {bundle} was built, and {lacks}"
        raise type(error)(error.where, problem, error.remedy) from error


def bundle_of(model: Path, built: BuildSettings) -> Path:
    """Return the folder that a build writes."""
    return built.output or model.with_suffix(".ee")
