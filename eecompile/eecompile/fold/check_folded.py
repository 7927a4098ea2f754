"""Compare a folded network with the one before folding: everything is the same but the numbers of channels."""

from collections.abc import Sequence
from itertools import zip_longest

from eecompile.fold.run import Noted, words
from eengines.errors import IngestError

__all__ = ["check_folded"]

Shape = tuple[int, ...]

_REMEDY = "Write forward so that views and slices take their sizes from what arrives (x.shape), not from numbers"


def check_folded(before: Noted, after: Noted, factor: int, *, where: str) -> None:
    """Check a run of the folded network against one of the network before folding.

    Raises:
        IngestError: other modules ran, a module made another shape than one with more channels, or an exit has not
            `factor` times its classes.
    """
    pairs = zip_longest([call.name for call in before.calls], [call.name for call in after.calls])
    moved = next((new if old is None else old for old, new in pairs if old != new), None)
    if moved is not None:
        problem = "runs in another order or another number of times when the network is folded"
        raise IngestError(words(where, moved), problem, "Write forward so that it does not depend on the width")
    for one, other in zip(before.calls, after.calls, strict=True):
        if len(one.shapes) != len(other.shapes) or not all(map(_only_wider, one.shapes, other.shapes)):
            problem = f"makes {_list(other.shapes)} in the folded network, {_list(one.shapes)} before"
            raise IngestError(words(where, one.name), f"{problem}, expected only one axis to grow", _REMEDY)
    expected = [(len(logits), factor * logits.shape[1]) for logits in before.exits]
    got = [tuple(logits.shape) for logits in after.exits]
    if list(got) != expected:
        problem = f"makes logits {_list(got)} when folded, expected {_list(expected)}"
        raise IngestError(where, problem, "Let forward return all that the last layer of each exit makes")


def _only_wider(old: Shape, new: Shape) -> bool:
    """Whether rows are the same and at most one other axis has grown."""
    if len(old) != len(new) or old[:1] != new[:1]:
        return False
    changed = [(before, after) for before, after in zip(old, new, strict=True) if before != after]
    return len(changed) <= 1 and all(before < after for before, after in changed)


def _list(shapes: Sequence[Shape]) -> str:
    return ", ".join(str(list(shape)) for shape in shapes) or "nothing"
