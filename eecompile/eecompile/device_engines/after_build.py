"""Engines as the last part of a build for a card that is here."""

from pathlib import Path

from eecompile.build.settings import BuildSettings
from eecompile.device_engines.build_engines import build_engines
from eecompile.device_engines.card import find_card
from eecompile.device_engines.report import EnginesReport
from eecompile.device_engines.settings import EnginesSettings
from eecompile.stages import Stages
from eengines.targets import target_by_name

__all__ = ["engines_after_build"]


def engines_after_build(bundle: Path, settings: BuildSettings, stages: Stages) -> EnginesReport | None:
    """Build and measure engines for the target of a build; None: it has no GPU as target, or that GPU is not here.

    Args:
        bundle: what the build wrote.
        settings: of the build.
        stages: where progress is shown.

    Raises:
        EngineError: no backend can build here, or all of them refuse the graphs.
    """
    if target_by_name(settings.target).compute_capability is None:
        return None
    if find_card(settings.target, 0).device is None:
        return None
    return build_engines(
        bundle,
        EnginesSettings(
            target=settings.target,
            data=settings.data,
            max_drop=settings.max_drop,
            agreement=settings.agreement,
            measure_seconds=settings.measure_seconds,
        ),
        stages,
    )
