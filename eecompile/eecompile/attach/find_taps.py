"""The taps of a trunk: those that `--at auto` finds, and those that a user names."""

from collections.abc import Sequence
from dataclasses import dataclass

from eecompile.attach.automatic_taps import automatic_taps
from eecompile.attach.nearest_names import nearest_names
from eecompile.attach.own_head import find_own_head
from eecompile.attach.tap_problem import feature, tap_problem
from eecompile.attach.watch import Watched
from eecompile.checkpoint import EXIT_NAME
from eecompile.heads.base import Tap
from eecompile.module_macs import macs_until, module_macs
from eengines.errors import UserError

__all__ = ["TrunkTaps", "find_taps"]


@dataclass(frozen=True, kw_only=True)
class TrunkTaps:
    """What there is to attach heads to.

    Attributes:
        taps: automatic ones and those that are read, in the order in which they run.
        automatic: names of those that `--at auto` finds.
        read: names of those that heads shall read.
        macs: multiply-accumulates a sample of the whole trunk.
        output: shape of one sample of its answer.
        own_head: name of the trunk's own head, and the shape of one sample that it takes; None where it is not known.
    """

    taps: tuple[Tap, ...]
    automatic: tuple[str, ...]
    read: tuple[str, ...]
    macs: int
    output: tuple[int, ...]
    own_head: tuple[str, tuple[int, ...]] | None


def find_taps(watched: Watched, names: Sequence[str] | None, own_head: str | None, *, where: str) -> TrunkTaps:
    """Find and check taps.

    Args:
        watched: the trunk.
        names: modules to read; None: those that `automatic_taps` finds.
        own_head: name of the trunk's own head, where the user gives it.
        where: the backbone, for messages.

    Raises:
        UserError: a module that does not exist or cannot be a tap, or none is found.
    """
    automatic = automatic_taps(watched)
    if names is None and not automatic:
        problem = "no chain of blocks or layers was found to attach heads to"
        raise UserError(f"{where}: --at auto", problem, "Name modules with --at; --list-taps -v shows all that run")
    for name in dict.fromkeys((*automatic, *(names or ()))):
        _check(watched, name)
    read = automatic if names is None else tuple(names)
    if len(set(read)) < len(read):
        raise UserError("--at", f"names a module twice: {', '.join(read)}", "Name each once")
    macs = macs_until(watched.trunk, watched.arguments, list(dict.fromkeys((*automatic, *read))))
    taps = tuple(Tap(name=name, shape=tuple(feature(watched, name).shape[1:]), macs=macs[name]) for name in macs)
    return TrunkTaps(
        taps=taps,
        automatic=tuple(tap.name for tap in taps if tap.name in automatic),
        read=tuple(tap.name for tap in taps if tap.name in read),
        macs=module_macs(watched.trunk, watched.arguments),
        output=tuple(watched.answer.shape[1:]),
        own_head=find_own_head(watched, automatic, own_head),
    )


def _check(watched: Watched, name: str) -> None:
    known = [module for module, _ in watched.trunk.named_modules() if module]
    if name not in known:
        remedy = f"The nearest are {nearest_names(name, known)}; see --list-taps"
        raise UserError(f"--at {name}", "is no module of the network", remedy)
    problem = tap_problem(watched, name)
    if not EXIT_NAME.fullmatch(name):
        problem = "its name has other characters than letters, digits and '_.-', which the names of exits have"
    if problem is not None:
        raise UserError(f"--at {name}", problem, "Name another module; --list-taps shows what auto finds")
