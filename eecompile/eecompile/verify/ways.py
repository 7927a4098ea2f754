"""What there is to check in a bundle: configurations that can run here, and graphs for other devices."""

from dataclasses import dataclass
from typing import NamedTuple

from eecompile.build.candidates import PORTABLE
from eerun.bundle import Bundle, ConfigurationEntry, TargetEntry
from eerun.choose_configuration import AUTO, choose_configuration, usable_configurations
from eerun.configuration import Configuration, HostConfiguration

__all__ = ["Found", "Way", "find_ways", "reference_way"]

TARGETS_RUN_IN = PORTABLE.engine
"""What the build checked them with, too; the device's own engine is not here."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One set of graphs with the engine that runs them here."""

    name: str
    configuration: Configuration

    @property
    def precision(self) -> str:
        """Of its graphs."""
        return self.configuration.entry.precision


class Found(NamedTuple):
    """What to check, and for the rest why not."""

    ways: tuple[Way, ...]
    skipped: tuple[str, ...]


def reference_way(bundle: Bundle) -> Way:
    """Return the float32 graphs in ONNX Runtime, which everything is compared with."""
    way = choose_configuration(bundle, engine=PORTABLE.engine, precision=PORTABLE.precision)
    return Way(name=way.words, configuration=way)


def find_ways(bundle: Bundle, *, engine: str, precision: str) -> Found:
    """Return what can be checked here.

    Args:
        bundle: an opened bundle.
        engine: only this backend, or `auto`. An engine that the build did not measure runs the float32 graphs.
        precision: only this precision, or `auto`.

    Raises:
        UserError: the engine or precision is unknown, or not in the bundle.
        EngineError: nothing of what is asked for can run here.
    """
    entries = [
        entry
        for entry in bundle.manifest.configurations
        if engine in (AUTO, entry.engine) and precision in (AUTO, entry.precision)
    ]
    wanted = {entry.name for entry in entries}
    usable = usable_configurations(bundle)
    ways = [Way(name=way.words, configuration=way) for way in usable.configurations if way.entry.name in wanted]
    if engine in (AUTO, TARGETS_RUN_IN):
        targets = (target for target in bundle.manifest.targets if precision in (AUTO, target.precision))
        ways += [_target(bundle, target) for target in targets]
    if not ways:
        way = choose_configuration(bundle, engine=engine, precision=precision)
        ways = [Way(name=way.words, configuration=way)]
    skipped = (reason for reason in usable.reasons if reason.partition(":")[0] in wanted)
    return Found(tuple(ways), tuple(skipped))


def _target(bundle: Bundle, target: TargetEntry) -> Way:
    """Graphs for a device, in ONNX Runtime; the costs only say which batch sizes there are."""
    entry = ConfigurationEntry(
        engine=TARGETS_RUN_IN,
        precision=target.precision,
        segments=target.segments,
        whole=target.whole,
        policy=target.policy,
        costs=reference_way(bundle).configuration.entry.costs,
        agreement=target.agreement,
    )
    return Way(
        name=f"{target.target} {target.precision}",
        configuration=HostConfiguration(bundle=bundle, entry=entry, backend=TARGETS_RUN_IN),
    )
