"""How a network is folded: how many images share a pass, and how wide its layers become."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt, lcm

from eengines.errors import EEError, IngestError

__all__ = ["EXACT", "FACTORS", "MULTIPLE_OF_8", "WIDTHS", "FoldSpec", "check_factor", "check_widths"]

MULTIPLE_OF_8 = "multiple-of-8"
EXACT = "exact"
WIDTHS = (MULTIPLE_OF_8, EXACT)
"""Rules for the width of a hidden layer."""

FACTORS = range(2, 65)
"""Fold factors that are taken. Published are 2, 3 and 4; the bound keeps a damaged checkpoint from asking for any
amount of memory."""

_STEP = 8


@dataclass(frozen=True)
class FoldSpec:
    """How a network is folded.

    Attributes:
        factor: images that share one pass.
        widths: `multiple-of-8`: a hidden width w becomes w sqrt(factor), rounded up to a multiple of 8, which matrix
            units of processors and cards do not have to fill up. `exact`: rounded down, as published.

    Raises:
        IngestError: another factor or rule.
    """

    factor: int
    widths: str = MULTIPLE_OF_8

    def __post_init__(self) -> None:
        check_factor(self.factor, where="--fold")
        check_widths(self.widths, where="--fold-widths")

    def width(self, old: int, fits: Mapping[int, int]) -> int:
        """Return the new width of a hidden layer.

        Args:
            old: its width, 1 or more.
            fits: by old width a number that the new one must be a multiple of, as grouped layers need it; layers of
                one old width keep one width, so that they can still be added. The new width is rounded up to it.
        """
        square = old * old * self.factor
        least, step = (isqrt(square), 1) if self.widths == EXACT else (isqrt(square - 1) + 1, _STEP)
        step = lcm(step, fits.get(old, 1))
        return -(-least // step) * step


def check_factor(factor: object, *, where: str, error: type[EEError] = IngestError) -> None:
    """Refuse a fold factor that is not one of `FACTORS`.

    Args:
        factor: what was given.
        where: the file or flag, for messages.
        error: what is raised; of a flag `UserError`.
    """
    if type(factor) is not int or factor not in FACTORS:
        problem = f"is {factor!r}, expected {FACTORS[0]} to {FACTORS[-1]} images a row"
        raise error(where, problem, "Factors that were published are 2, 3 and 4")


def check_widths(widths: object, *, where: str, error: type[EEError] = IngestError) -> None:
    """Refuse a rule for widths that is not one of `WIDTHS`; as `check_factor`."""
    if widths not in WIDTHS:
        raise error(where, f"is {widths!r}, expected {' or '.join(WIDTHS)}", "Correct it")
