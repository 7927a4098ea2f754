"""MSE: clip where rounding and clipping together cost the least squared error.

The expected squared error of a grid with step s that ends at the clip t, over a density p of the magnitude, is

    Σ_n ∫_{(n-½)s}^{(n+½)s} (x − n·s)² p(x) dx  (up to t)  +  ∫_t^∞ (x − t)² p(x) dx,

the sum of rounding and clipping error (R. Banner et al., "Post training 4-bit quantization of convolutional networks
for rapid-deployment", NeurIPS 2019, eq. 4 before its approximations). Here p is the histogram, even within a bin, and
the integrals are exact. As ∫ x² p dx is the same for every t, it is left out:

    Σ_n n·s·(n·s·ΔM0_n − 2·ΔM1_n)  +  t²·T0 − 2·t·T1

with ΔM0, ΔM1 the mass and first moment of cell n and T0, T1 those of the clipped tail, all from prefix sums.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from eecalib.int8.calibrators.base import Calibrator
from eecalib.int8.grid import Grid, steps_to
from eecalib.int8.observed import Observed

__all__ = ["MseCalibrator"]

_CANDIDATES = 512
"""Clips that are tried, at equal ratios: the least clip is at most a 1/32 of the largest, so they are < 0.7 % apart."""

_BLOCK = 128
"""Candidates looked at together, so that their arrays stay in the cache."""


@dataclass(frozen=True, kw_only=True)
class MseCalibrator(Calibrator):
    """Clips where the mean squared error of the quantised tensor is least.

    The zeros after a ReLU are exact on any grid; bin 0, which holds them, is left out.

    Attributes:
        grid: of the engine that the ranges are mainly for; it decides how many steps there are.
    """

    name: ClassVar[str] = "mse"
    needs_bins: ClassVar[bool] = True

    grid: Grid = "asymmetric"

    def clip_of(self, observed: Observed) -> float:
        """Return the upper edge of the last bin that is kept; of equal errors, the larger clip."""
        bins = self.bins_of(observed)
        counts = bins.magnitudes.astype(np.float64)
        # in bins, so that the last candidate ends where the tensor does, not at the edge of the bin
        end = observed.amax / bins.width
        keep = _candidates(len(counts))
        clips = np.minimum(keep.astype(np.float64), end)
        steps = steps_to(clips * bins.width, observed, self.grid)
        # a step finer than a bin cannot be told from no step at all
        resolved = steps <= clips
        if not resolved.any():
            return observed.amax
        counts[0] = 0
        errors = _errors(counts, clips[resolved], steps[resolved])
        best = len(errors) - 1 - int(np.argmin(errors[::-1]))
        return float(clips[resolved][best] * bins.width)


def _candidates(bins: int) -> NDArray[np.int64]:
    """Return numbers of bins to keep, `[candidates] int64`, ascending to all of them, at equal ratios."""
    return np.unique(np.rint(np.geomspace(min(127, bins), bins, _CANDIDATES)).astype(np.int64))


def _errors(counts: NDArray[np.float64], clips: NDArray[np.float64], steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the squared error of each candidate, up to a constant, in squared bins, `[candidates] float64`."""
    middle = np.arange(len(counts)) + 0.5
    mass = np.concatenate([[0.0], np.cumsum(counts)])
    moment = np.concatenate([[0.0], np.cumsum(counts * middle)])
    padded = np.append(counts, 0.0)
    found = []
    for start in range(0, len(clips), _BLOCK):
        clip, step = clips[start : start + _BLOCK], (clips / steps)[start : start + _BLOCK]
        point = np.arange(int(np.ceil(steps.max())) + 1) * step[:, None]
        edge = np.concatenate([np.zeros((len(clip), 1)), point + step[:, None] / 2], axis=1)
        # the last cell ends at the clip, those beyond are empty
        edge = np.minimum(edge, clip[:, None])
        bin_ = edge.astype(np.int64)
        inside = edge - bin_
        mass_to = mass[bin_] + padded[bin_] * inside
        moment_to = moment[bin_] + padded[bin_] * inside * (bin_ + inside / 2)
        rounding = point * (point * np.diff(mass_to, axis=1) - 2 * np.diff(moment_to, axis=1))
        tail, tail_moment = mass[-1] - mass_to[:, -1], moment[-1] - moment_to[:, -1]
        found.append(rounding.sum(axis=1) + clip * (clip * tail - 2 * tail_moment))
    return np.concatenate(found)
