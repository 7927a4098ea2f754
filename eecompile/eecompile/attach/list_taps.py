"""What a user can tap: modules with the shape of their output, and what it costs to get there."""

from collections.abc import Sequence
from dataclasses import dataclass

from eecompile.attach.backbone import Backbone
from eecompile.attach.find_taps import find_taps
from eecompile.attach.tap_problem import tap_problem
from eecompile.attach.watch import Watched
from eengines.errors import UserError

__all__ = ["ListedTap", "ListedTaps", "list_taps"]


@dataclass(frozen=True, kw_only=True)
class ListedTap:
    """One module.

    Attributes:
        name: for `--at`.
        kind: its class.
        shape: of one sample of its output.
        macs: multiply-accumulates a sample until it is made.
        parameters: number of the weights that were used until then.
        automatic: whether `--at auto` takes it.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    macs: int
    parameters: int
    automatic: bool


@dataclass(frozen=True, kw_only=True)
class ListedTaps:
    """The modules of one network.

    Attributes:
        taps: in the order in which they run.
        macs: multiply-accumulates a sample of the whole trunk.
        parameters: number of its weights.
        output: shape of one sample of its answer.
        own_head: name of its own head, or None where it is not known.
    """

    taps: tuple[ListedTap, ...]
    macs: int
    parameters: int
    output: tuple[int, ...]
    own_head: str | None


def list_taps(
    backbone: Backbone, watched: Watched, *, names: Sequence[str] | None, own_head: str | None, every: bool
) -> ListedTaps:
    """List the modules that `--at` would tap.

    Args:
        backbone: the network.
        watched: one run of it.
        names: of `--at`; None: auto.
        own_head: of `--own-head`.
        every: list all modules that can be tapped.

    Raises:
        UserError: a module that cannot be tapped, or none is found.
    """
    wanted = [name for name in watched.calls if tap_problem(watched, name) is None] if every else names
    if every and not wanted:
        raise UserError("--list-taps", "no module gives a feature that heads can read", "Give another network")
    found = find_taps(watched, wanted, own_head, where=str(backbone.arch or "network"))
    listed = tuple(
        ListedTap(
            name=tap.name,
            kind=type(watched.trunk.get_submodule(tap.name)).__name__,
            shape=tap.shape,
            macs=tap.macs,
            parameters=_parameters_until(watched, tap.name),
            automatic=tap.name in found.automatic,
        )
        for tap in found.taps
        if tap.name in found.read
    )
    return ListedTaps(
        taps=listed,
        macs=found.macs,
        parameters=sum(weight.numel() for weight in watched.trunk.parameters()),
        output=found.output,
        own_head=None if found.own_head is None else found.own_head[0],
    )


def _parameters_until(watched: Watched, tap: str) -> int:
    """Weights of the modules that had run, and of those that the tap lies in."""
    last = watched.calls[tap][0].order
    total = 0
    for name, weight in watched.trunk.named_parameters():
        owner = name.rpartition(".")[0]
        while owner and owner not in watched.calls:
            owner = owner.rpartition(".")[0]
        ran = not owner or tap.startswith(f"{owner}.") or watched.calls[owner][0].order <= last
        total += weight.numel() if ran else 0
    return total
