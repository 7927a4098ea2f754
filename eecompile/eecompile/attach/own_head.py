"""Which module of a trunk is its own head: what makes the answer from the last feature."""

from collections.abc import Sequence

from eecompile.attach.nearest_names import nearest_names
from eecompile.attach.watch import Watched
from eecompile.heads.base import OwnHead
from eengines.errors import UserError

__all__ = ["find_own_head", "own_head_of"]


def find_own_head(watched: Watched, taps: Sequence[str], given: str | None) -> tuple[str, tuple[int, ...]] | None:
    """Return the name of a trunk's own head, and the shape of one sample that it takes; None: it is not known.

    It is the module that the user names; else the one that the trunk names in an attribute `own_head`, as the zoo's do;
    else the outermost one that takes one tensor, returns the trunk's answer and holds no tap.

    Args:
        watched: the trunk.
        taps: names of the taps that `--at auto` finds.
        given: what the user says.

    Raises:
        UserError: a named module does not exist, does not run once, or takes something else than one tensor.
    """
    stated = given or getattr(watched.trunk, "own_head", None)
    if isinstance(stated, str):
        where = f"--own-head {stated}" if given else f"attribute own_head = '{stated}'"
        return stated, _stated_shape(watched, stated, where)
    for name, calls in watched.calls.items():
        shape = _shape(watched, name)
        holds_tap = any(tap == name or tap.startswith(f"{name}.") for tap in taps)
        if calls[0].made is watched.answer and shape is not None and not holds_tap:
            return name, shape
    return None


def own_head_of(watched: Watched, found: tuple[str, tuple[int, ...]] | None) -> OwnHead | None:
    """The same as heads take it."""
    return None if found is None else OwnHead(module=watched.trunk.get_submodule(found[0]), shape=found[1])


def _stated_shape(watched: Watched, name: str, where: str) -> tuple[int, ...]:
    names = [known for known, _ in watched.trunk.named_modules() if known]
    if name not in names:
        raise UserError(where, "is no module of the network", f"The nearest are {nearest_names(name, names)}")
    shape = _shape(watched, name)
    if shape is None:
        count = len(watched.calls.get(name, ()))
        problem = f"runs {count} times" if count != 1 else "takes something else than one tensor"
        raise UserError(where, f"{problem}, expected one run on one tensor", "Name the module that makes the answer")
    return shape


def _shape(watched: Watched, name: str) -> tuple[int, ...] | None:
    """Shape of one sample of the only tensor that a module takes."""
    call = watched.call(name)
    if call is None or call.first is None or call.tensors != 1 or len(call.first) != watched.batch:
        return None
    return tuple(call.first.shape[1:])
