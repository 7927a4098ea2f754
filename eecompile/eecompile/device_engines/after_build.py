"""Engines as the last part of a build for a card that is here."""

from pathlib import Path

from eecompile.build.settings import BuildSettings
from eecompile.device_engines.build_engines import build_engines
from eecompile.device_engines.card import find_card
from eecompile.device_engines.report import EnginesReport
from eecompile.device_engines.settings import EnginesSettings
from eecompile.stages import Stages
from eengines.errors import EngineError
from eerun.data import default_data_path

__all__ = ["engines_after_build"]


def engines_after_build(model: Path, settings: BuildSettings, stages: Stages, *, needed: bool) -> EnginesReport | None:
    """Build and measure engines for the target of a build that is here; None: no such card is here, or it failed.

    Args:
        model: what was built.
        settings: of the build.
        stages: where progress and, if they are not needed, the failure is shown.
        needed: whether a failure is an error; the bundle is good without engines.

    Raises:
        EngineError: engines are needed, and no backend can build here, or all of them refuse the graphs.
    """
    here = [target.name for target in settings.gpus if find_card(target.name, 0).device is not None]
    if not here:
        return None
    data = settings.data or default_data_path(model)
    bundle = settings.output or model.with_suffix(".ee")
    wanted = EnginesSettings(
        target=here[0],
        data=None if data is None else str(data),
        max_drop=settings.max_drop,
        agreement=settings.agreement,
        max_quant_drop=settings.max_quant_drop,
        measure_seconds=settings.measure_seconds,
    )
    try:
        return build_engines(bundle, wanted, stages)
    except EngineError as error:
        if needed:
            raise
        stages.warn(f"no engines: {error}")
        return None
