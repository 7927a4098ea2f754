"""Refuse slices whose places are numbers: in the folded network they cut off other features than before."""

from collections.abc import Sequence
from itertools import zip_longest

from eecompile.fold.cuts import Cut
from eecompile.fold.run import words
from eengines.errors import IngestError

__all__ = ["check_cuts"]

ROUNDING = 1.0
"""A place that follows the width is less than a feature from where it should be, or is not where it was before."""


def check_cuts(before: Sequence[Cut], after: Sequence[Cut], *, where: str) -> None:
    """Compare what a run of the folded network cuts apart with a run of the network before folding.

    A cut along an axis that grew must grow with it. One that still lies as many features from the start, or from the
    end, as before, is a number in `forward`.

    Raises:
        IngestError: a cut that did not grow, or other cuts than before.
    """
    for old, new in zip_longest(before, after):
        cut = new if old is None else old
        if old is None or new is None or (old.name, old.kind, old.axis) != (new.name, new.kind, new.axis):
            problem = "cuts its features apart in another way when the network is folded"
            raise IngestError(words(where, cut.name), problem, "Write forward so that it does not depend on the width")
        if new.size > old.size and any(
            _stays(one, other, old.size, new.size) for one, other in ((old.start, new.start), (old.stop, new.stop))
        ):
            problem = (
                f"takes {_part(old)} before, and {_part(new)} in the folded network: a slice that does not grow with "
                "the width"
            )
            remedy = (
                "Write forward so that slices take their places from what arrives (x.shape, chunk), not from numbers"
            )
            raise IngestError(words(where, cut.name), problem, remedy)


def _stays(old: int, new: int, old_size: int, new_size: int) -> bool:
    """Whether a place is where it was, seen from the start or from the end, and should not be."""
    if (old, new) in ((0, 0), (old_size, new_size)):
        return False
    return new in (old, new_size - old_size + old) and abs(new - old * new_size / old_size) >= ROUNDING


def _part(cut: Cut) -> str:
    return f"{cut.start} to {cut.stop} of {cut.size} features"
