"""Which configuration of a bundle policies are tried on."""

from collections.abc import Sequence

from eengines.errors import UserError
from eerun.bundle import Bundle, ConfigurationEntry
from eerun.choose_configuration import AUTO, choose_configuration, usable_configurations
from eerun.configuration import HostConfiguration

__all__ = ["configuration_to_try", "configurations_here"]


def configurations_here(bundle: Bundle) -> list[HostConfiguration]:
    """Return those that run on this machine's CPU, in the order of the bundle."""
    usable = usable_configurations(bundle).configurations
    return [way for way in usable if isinstance(way, HostConfiguration)]


def configuration_to_try(
    bundle: Bundle, ways: Sequence[HostConfiguration], *, engine: str, precision: str, recorded: str | None = None
) -> HostConfiguration:
    """Return the one that was recorded, or of those that the user names the one whose chain is fastest.

    Args:
        bundle: the bundle.
        ways: what runs here.
        engine: name of a backend, or `auto`.
        precision: of the graphs, or `auto`.
        recorded: name of the configuration of a trace, or None.

    Raises:
        UserError: it runs on a card, or the bundle has no such configuration.
        EngineError: its engine is missing.
    """
    if engine == precision == AUTO:
        named = next((way for way in ways if way.name == recorded), None)
        if named is not None:
            return named
    fitting = [each for each in bundle.manifest.configurations if _fits(each, engine, precision)]
    here = [way for way in ways if way.entry in fitting]
    if here:
        return min(here, key=_chain_ms)
    if not fitting:
        flag, asked = ("--precision", precision) if engine == AUTO else ("--engine", engine)
        with_it = "" if AUTO in (engine, precision) else f" with --precision {precision}"
        names = ", ".join(each.name for each in bundle.manifest.configurations)
        raise UserError(
            flag,
            f"got {asked!r}{with_it}, the configurations of the bundle are {names}",
            "Choose one of these, or build again with what you need",
        )
    way = choose_configuration(bundle, engine=engine, precision=precision)
    if not isinstance(way, HostConfiguration):
        raise UserError(way.name, "it runs on a card, and `eecompile engines` tunes what runs there", "Choose --engine")
    return way


def _fits(entry: ConfigurationEntry, engine: str, precision: str) -> bool:
    """Whether a configuration is one that the user names."""
    return engine in (AUTO, entry.engine) and precision in (AUTO, entry.precision)


def _chain_ms(way: HostConfiguration) -> float:
    """Of the largest batch, if nobody leaves early and every head runs."""
    costs = way.costs()
    return costs.chain_ms(costs.max_batch)
