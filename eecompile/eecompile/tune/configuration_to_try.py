"""Which configuration of a bundle policies are tried on."""

from collections.abc import Sequence

from eengines.errors import UserError
from eerun.bundle import Bundle
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
    """Return the one that was recorded, the one that the user names, or the one whose chain is fastest.

    Args:
        bundle: the bundle.
        ways: what runs here.
        engine: name of a backend, or `auto`.
        precision: of the graphs, or `auto`.
        recorded: name of the configuration of a trace, or None.

    Raises:
        UserError: it runs on a card, or is not there.
        EngineError: its engine is missing.
    """
    if engine == precision == AUTO:
        named = next((way for way in ways if way.name == recorded), None)
        if named is not None:
            return named
        if ways:
            return min(ways, key=lambda way: sum(row[-1] for row in way.costs().segment_ms))
    way = choose_configuration(bundle, engine=engine, precision=precision)
    if not isinstance(way, HostConfiguration):
        raise UserError(way.name, "it runs on a card, and `eecompile engines` tunes what runs there", "Choose --engine")
    return way
