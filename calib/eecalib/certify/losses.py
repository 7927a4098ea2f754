"""What a candidate loses on each sample of the *certify* split, against the final exit.

Images of a folded network that share a group depend on each other: what one of them loses, the others may lose for the
same reason. Groups are independent. So a group is one observation, whose loss is the mean over its images, and the risk
is still that of an image.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eecalib.whole_groups import check_groups
from eengines.errors import DataError, UserError

__all__ = ["Floats", "Losses", "accuracy_losses", "disagreement_losses"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Losses:
    """Losses of one candidate, whose risk is the ratio `E[loss] / E[base]`.

    The claim "risk <= ε" is `E[x] <= 0` for `x = loss - ε · base`, whatever ε: exact for a relative drop, too.

    Attributes:
        loss: `[samples] float64`, from `least` to 1; of a folded network `[groups]`, means over images.
        base: the same, from 0 to 1.
        least: the least loss that is possible, 0 or -1.
        fold: images a group; 1: the network is not folded.

    Raises:
        UserError: the arrays have different shapes, or values outside of their ranges.
        DataError: there is no sample.
    """

    loss: Floats
    base: Floats
    least: float
    fold: int = 1

    def __post_init__(self) -> None:
        if self.loss.ndim != 1 or self.loss.shape != self.base.shape:
            raise UserError(
                "losses",
                f"got shapes {list(self.loss.shape)} and {list(self.base.shape)}, expected [samples] twice",
                "Give one loss and one base a sample",
            )
        if not len(self.loss):
            raise DataError("losses", "got no sample, expected at least one", "Give a *certify* split")
        inside = (self.loss >= self.least) & (self.loss <= 1) & (self.base >= 0) & (self.base <= 1)
        if not inside.all() or self.least not in (0, -1):
            raise UserError(
                "losses",
                f"got values outside of {self.least} to 1, or bases outside of 0 to 1",
                "Make them with `accuracy_losses` or `disagreement_losses`",
            )

    @property
    def samples(self) -> int:
        """How many independent samples there are: of a folded network groups."""
        return len(self.loss)

    @property
    def images(self) -> int:
        """How many samples there are by the user's count: of a folded network images."""
        return len(self.loss) * self.fold

    @property
    def risk(self) -> float:
        """The risk on these samples; 0 where all bases are 0."""
        total = float(self.base.sum())
        return float(self.loss.sum()) / total if total else 0.0


def accuracy_losses(right_float32: NDArray[Any], right: NDArray[Any], *, fold: int = 1) -> Losses:
    """Return losses whose risk is the drop in accuracy, relative to that of the final exit in float32.

    With `x = (1 - ε) · right_float32 - right` the claim is `accuracy >= (1 - ε) · accuracy of float32`.

    Args:
        right_float32: `[samples]`, whether the final exit in float32 is right; of maps the share of its pixels.
        right: the same of the candidate's answers.
        fold: images a group, in their order; 1: the network is not folded.
    """
    base = np.asarray(right_float32, np.float64)
    loss = base - np.asarray(right, np.float64)
    return Losses(loss=_by_group(loss, fold), base=_by_group(base, fold), least=-1, fold=fold)


def disagreement_losses(differs: NDArray[Any], *, fold: int = 1) -> Losses:
    """Return losses whose risk is the share of answers that differ from the final exit's.

    Args:
        differs: `[samples]`, whether the candidate answers otherwise; of maps the share of pixels where it does.
        fold: images a group, in their order; 1: the network is not folded.
    """
    loss = _by_group(np.asarray(differs, np.float64), fold)
    return Losses(loss=loss, base=np.ones_like(loss), least=0, fold=fold)


def _by_group(values: Floats, fold: int) -> Floats:
    """Means over the images of each group, which are whole."""
    check_groups(len(values), fold, where="losses")
    return values if fold == 1 else values.reshape(-1, fold).mean(axis=1)
