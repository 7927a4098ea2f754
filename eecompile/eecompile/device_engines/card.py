"""The card that engines are for."""

from dataclasses import dataclass

from eecompile.device_engines.settings import LOCAL
from eengines.device import Device
from eengines.errors import EngineError, UserError
from eengines.targets import TARGETS, target_by_name
from eerun.bundle import Manifest, TargetEntry
from eerun.choose_configuration import open_device

__all__ = ["Card", "find_card", "graphs_for", "local_target"]


@dataclass(frozen=True, kw_only=True)
class Card:
    """One kind of GPU.

    Attributes:
        compute_capability: CUDA's (major, minor).
        name: of the card that is here, else of the target.
        device: the card, if it is here.
    """

    compute_capability: tuple[int, int]
    name: str
    device: Device | None


def find_card(target: str, ordinal: int) -> Card:
    """Return the card called `target`, with the device if such a one is here.

    Args:
        target: a name of `eengines.targets`, or `local`.
        ordinal: number of the GPU.

    Raises:
        EngineError: `local`, and no card is here.
    """
    from eengines.devices.cuda import probe_cuda

    capability = probe_cuda(ordinal)
    if target == LOCAL and not capability.ok:
        raise EngineError(
            f"--target {LOCAL}", f"no card is here: {capability.reason}", "Run it where the card is, or name the card"
        )
    device = open_device(ordinal) if capability.ok else None
    wanted = None if target == LOCAL else target_by_name(target)
    here = None if device is None else device.compute_capability
    asked = here if wanted is None else wanted.compute_capability
    if asked is None:
        raise EngineError(
            f"--target {target}", "it has no compute capability", "Name a card, see eecompile build --help"
        )
    if device is not None and asked == here:
        return Card(compute_capability=asked, name=device.name, device=device)
    return Card(compute_capability=asked, name=target if wanted is None else wanted.words, device=None)


def local_target(ordinal: int) -> str:
    """Return the name, of `eengines.targets`, of the card that is here, or of one like it.

    Raises:
        EngineError: no card is here, or none like it is known.
    """
    card = find_card(LOCAL, ordinal)
    alike = [target for target in TARGETS.values() if target.compute_capability == card.compute_capability]
    if not alike:
        major, minor = card.compute_capability
        raise EngineError(
            f"--target {LOCAL}", f"got {card.name}, sm_{major}{minor}, which no target has", "Name a card"
        )
    named = [target.name for target in alike if target.name in card.name.lower()]
    return (named or [alike[0].name])[0]


def graphs_for(manifest: Manifest, card: Card, *, precision: str, where: str) -> tuple[TargetEntry, ...]:
    """Return the graphs of a bundle for a kind of card, one entry a precision.

    Raises:
        UserError: the bundle has none.
    """
    fitting = [
        entry
        for entry in manifest.targets
        if target_by_name(entry.target).compute_capability == card.compute_capability
    ]
    found = {entry.precision: entry for entry in reversed(fitting) if precision in ("auto", entry.precision)}
    if not found:
        names = ", ".join(f"{entry.target} {entry.precision}" for entry in manifest.targets) or "none"
        major, minor = card.compute_capability
        raise UserError(
            where,
            f"it has no graphs for sm_{major}{minor} in precision {precision}; it has {names}",
            "Build it again with --target and the name of such a card",
        )
    return tuple(found.values())
