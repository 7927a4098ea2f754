"""Choose one of the ways to run a bundle: an engine, and graphs of one precision."""

import logging
from dataclasses import dataclass
from typing import NamedTuple

from eengines.backends import BACKENDS, load_backend
from eengines.engine import Backend
from eengines.errors import EngineError, UserError
from eengines.targets import PRECISIONS
from eerun.bundle import Bundle, ConfigurationEntry, PolicyFile
from eerun.costs import CostTable
from eerun.executor import Chain, ChainSegment

__all__ = ["AUTO", "Configuration", "choose_configuration"]

AUTO = "auto"

_log = logging.getLogger("eerun")


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One way to run a bundle, with the backend that runs it."""

    bundle: Bundle
    entry: ConfigurationEntry
    backend: Backend

    @property
    def name(self) -> str:
        """`ENGINE-PRECISION`, as it runs here: the engine may be one that the build did not measure."""
        return f"{self.backend.name}-{self.entry.precision}"

    @property
    def words(self) -> str:
        """`ENGINE PRECISION`, for people."""
        return f"{self.backend.name} {self.entry.precision}"

    def chain(self) -> Chain:
        """The segments."""
        heads = zip(self.entry.segments, self.bundle.manifest.segments, strict=True)
        return Chain(
            inputs=tuple(entry.spec for entry in self.bundle.manifest.inputs),
            segments=tuple(
                ChainSegment(graph=self.bundle.read(file), logits=head.logits, score=head.score) for file, head in heads
            ),
        )

    def whole(self) -> Chain:
        """The network without exit heads, as a chain of one; its output stands in for the score, which nobody reads."""
        manifest = self.bundle.manifest
        return Chain(
            inputs=tuple(entry.spec for entry in manifest.inputs),
            segments=(
                ChainSegment(
                    graph=self.bundle.read(self.entry.whole), logits=manifest.whole_output, score=manifest.whole_output
                ),
            ),
        )

    def costs(self) -> CostTable:
        """Measured milliseconds of the segments."""
        return self.bundle.costs(self.entry)

    def policy(self) -> PolicyFile:
        """The policy, with thresholds tuned on these graphs."""
        return self.bundle.policy(self.entry)


def choose_configuration(bundle: Bundle, *, engine: str = AUTO, precision: str = AUTO) -> Configuration:
    """Return the fastest way to run a bundle here, as the build measured, that fits what the caller asks for.

    An engine that the build did not measure runs the float32 graphs, with the costs of the engine that was measured.

    Args:
        bundle: an opened bundle.
        engine: name of a backend, or `auto`.
        precision: `float32`, `float16`, `bfloat16`, `int8`, or `auto`.

    Raises:
        UserError: an unknown engine or precision, or one that the bundle does not have.
        EngineError: no engine that fits is installed.
    """
    _check_names(engine, precision)
    reasons: list[str] = []
    for entry in bundle.manifest.configurations:
        if engine not in (AUTO, entry.engine) or precision not in (AUTO, entry.precision):
            continue
        backend = _usable(entry, reasons)
        if backend is not None:
            if reasons:
                _log.warning("%s: running %s %s; %s", bundle.path, entry.engine, entry.precision, "; ".join(reasons))
            return Configuration(bundle=bundle, entry=entry, backend=backend)
    if engine != AUTO and precision in (AUTO, "float32") and not reasons:
        entry = next(entry for entry in bundle.manifest.configurations if entry.precision == "float32")
        return Configuration(bundle=bundle, entry=entry, backend=load_backend(engine))
    if reasons:
        raise EngineError(
            str(bundle.path), "; ".join(reasons), "Install what is named, or choose another with --engine"
        )
    names = ", ".join(entry.name for entry in bundle.manifest.configurations)
    raise UserError(
        str(bundle.path),
        f"it has no configuration for --engine {engine} --precision {precision}, it has {names}",
        "Choose one of these, or build again with what you need",
    )


class Usable(NamedTuple):
    """The configurations of a bundle that can run here, in its order, and why the others cannot."""

    configurations: tuple[Configuration, ...]
    reasons: tuple[str, ...]


def usable_configurations(bundle: Bundle) -> Usable:
    """Return every way to run a bundle here that its build measured."""
    reasons: list[str] = []
    found = []
    for entry in bundle.manifest.configurations:
        backend = _usable(entry, reasons)
        if backend is not None:
            found.append(Configuration(bundle=bundle, entry=entry, backend=backend))
    return Usable(tuple(found), tuple(reasons))


def _check_names(engine: str, precision: str) -> None:
    if engine != AUTO and engine not in BACKENDS:
        raise UserError("--engine", f"got {engine!r}, known are {AUTO}, {', '.join(BACKENDS)}", "Choose one of these")
    if precision != AUTO and precision not in PRECISIONS:
        raise UserError(
            "--precision", f"got {precision!r}, known are {AUTO}, {', '.join(PRECISIONS)}", "Choose one of these"
        )


def _usable(entry: ConfigurationEntry, reasons: list[str]) -> Backend | None:
    """The backend of a configuration if it can be used here; otherwise note why not."""
    if entry.engine not in BACKENDS:
        reasons.append(f"{entry.name}: this eerun has no engine {entry.engine!r}")
        return None
    try:
        backend = load_backend(entry.engine)
    except EngineError as error:
        reasons.append(f"{entry.name}: {error.problem}")
        return None
    capability = backend.probe()
    if entry.precision not in capability.precisions:
        reasons.append(f"{entry.name}: this machine's {entry.engine} has no {entry.precision}")
        return None
    return backend
