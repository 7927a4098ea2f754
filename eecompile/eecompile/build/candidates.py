"""The ways to run a network that a build tries: engines times precisions."""

from collections.abc import Mapping
from dataclasses import dataclass

from eecompile.build.settings import BuildSettings
from eecompile.precision.int8 import FAMILIES
from eengines.backends import load_backend
from eengines.engine import Backend
from eengines.errors import EngineError, UserError

__all__ = ["PORTABLE", "Candidate", "find_candidates"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One engine with graphs of one precision."""

    engine: str
    precision: str

    @property
    def words(self) -> str:
        """For people."""
        return f"{self.engine} {self.precision}"


PORTABLE = Candidate(engine="onnxruntime", precision="float32")
"""What every other candidate is compared with, and what runs where nothing else does."""

TRIED: Mapping[str, tuple[str, ...]] = {
    "onnxruntime": ("float32", "int8"),
    "openvino": ("float32", "bfloat16", "int8"),
}
"""Precisions that may be the fastest of an engine; float16 is none on a CPU, and tried only if asked for."""


def find_candidates(settings: BuildSettings, *, calibrated: bool) -> tuple[dict[Candidate, Backend], tuple[str, ...]]:
    """Return what to try, the portable one first, and why other things are not tried.

    Args:
        settings: what the user chose.
        calibrated: whether there are data to calibrate INT8 with.

    Raises:
        UserError: no engine here has the precision that the user wants, or INT8 is wanted without data.
        EngineError: the engine that the user wants is missing.
    """
    if settings.wanted == "int8" and not calibrated:
        raise UserError("--int8", "there are no data to calibrate with", "Give --data, or leave --int8 out")
    found, reasons = {PORTABLE: load_backend(PORTABLE.engine)}, []
    for engine in _engines(settings):
        try:
            backend = load_backend(engine)
        except EngineError as error:
            if settings.engine == engine:
                raise
            reasons.append(f"{engine} is not tried: {error.problem}")
            continue
        able = backend.probe().precisions
        tried = dict.fromkeys(
            (*TRIED.get(engine, ("float32",)), *([] if settings.wanted_here == "auto" else [settings.wanted_here]))
        )
        for precision in tried:
            if precision not in able:
                reasons.append(f"{engine} {precision} is not tried: this machine has no {precision}")
            elif precision == "int8" and engine not in FAMILIES:
                reasons.append(f"{engine} int8 is not tried: there are no INT8 graphs for it")
            elif precision == "int8" and not calibrated:
                reasons.append(f"{engine} int8 is not tried: there are no data to calibrate with")
            else:
                found[Candidate(engine=engine, precision=precision)] = backend
    _check_wanted(settings, found, reasons)
    return found, tuple(reasons)


def _engines(settings: BuildSettings) -> list[str]:
    """All fast engines, so that `eerun bench` can race them, and the one that the user wants."""
    return list(dict.fromkeys((*TRIED, *([] if settings.engine == "auto" else [settings.engine]))))


def _check_wanted(settings: BuildSettings, found: Mapping[Candidate, Backend], reasons: list[str]) -> None:
    """What the user asked for must be there."""
    if not any(settings.accepts(candidate.engine, candidate.precision) for candidate in found):
        raise UserError(
            f"--engine {settings.engine} --precision {settings.wanted}",
            "; ".join(reasons) or "no engine has it",
            f"Choose from {', '.join(candidate.words for candidate in found)}",
        )
