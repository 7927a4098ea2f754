"""Entropy: clip where the distribution after quantising says most about the one before (least KL divergence).

Source: S. Migacz, "8-bit Inference with TensorRT", GTC 2017, slides "Entropy Calibration - pseudocode". There: a
histogram of the magnitude with 2048 bins, 128 levels. For every number of bins i to keep:

    P_j = c_j for j < i, and P_{i-1} gains the outliers o = Σ_{j>=i} c_j, because clipping moves them there;
    Q: the kept bins *without* outliers, joined to L levels of i/L bins, the mass of a level spread evenly over those of
       its bins that are not empty;
    KL(P ‖ Q) = Σ p_j ln(p_j / q_j) after normalising both.

The i with the least divergence sets the clip. Q without the outliers is what makes clipping cost something: with them
it would have the same peak as P, and the least i would always win. Where bin i-1 is empty, q is 0 under the outliers'
mass, the divergence infinite, and i no candidate.

With N = Σ c, M_i = N − o_i, level l of mass m_l over n_l bins in use, and bin i-1 in level λ, this is

    N·KL = Σ_{j<i-1} c_j ln c_j + (c_{i-1} + o) ln (c_{i-1} + o) − N ln N
           − Σ_l m_l ln(m_l / n_l) − o ln(m_λ / n_λ) + N ln M_i

so that prefix sums of c, c ln c and [c > 0] give all divergences in 4096 · L steps rather than 4096².

Differences from the slides: our histogram has 2048 to 4096 bins in use (its width is a power of two); L is one more
than the steps that the engine's grid has up to the clip, 128 if symmetric and up to 256 if not; and bin 0 counts
as much as bin 1, because the zeros after a ReLU are exact on any grid, yet would outweigh everything else.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from eecalib.int8.calibrators.base import Calibrator
from eecalib.int8.grid import Grid, steps_to
from eecalib.int8.observed import Observed

__all__ = ["EntropyCalibrator"]

_BLOCK = 128
"""Candidates looked at together, so that their arrays stay in the cache."""


@dataclass(frozen=True, kw_only=True)
class EntropyCalibrator(Calibrator):
    """Clips where the Kullback-Leibler divergence between the tensor and the quantised tensor is least.

    A single value other than zero that takes a large share of the tensor draws the clip towards itself, because no
    level can keep such a peak; `mse` is not misled by it.

    Attributes:
        grid: of the engine that the ranges are mainly for; it decides how many levels there are.
    """

    name: ClassVar[str] = "entropy"
    needs_bins: ClassVar[bool] = True

    grid: Grid = "asymmetric"

    def clip_of(self, observed: Observed) -> float:
        """Return the upper edge of the last bin that is kept; of equal divergences, the larger clip."""
        bins = self.bins_of(observed)
        counts = bins.magnitudes.astype(np.float64)
        if len(counts) < 2:
            return observed.amax
        counts[0] = counts[1]
        keep = np.arange(1, len(counts) + 1)
        clips = keep.astype(np.float64) * bins.width
        levels = np.floor(steps_to(clips, observed, self.grid)).astype(np.int64) + 1
        candidate = (keep >= levels) & (counts > 0)
        if not candidate.any():
            return observed.amax
        keep, levels = keep[candidate], levels[candidate]
        divergence = _divergences(counts, keep, levels)
        best = len(divergence) - 1 - int(np.argmin(divergence[::-1]))
        return float(keep[best] * bins.width)


def _divergences(
    counts: NDArray[np.float64], keep: NDArray[np.int64], levels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return N·KL(P ‖ Q), up to a constant, for each number of bins to keep, `[candidates] float64`.

    Args:
        counts: `[bins]` of the magnitude; the last bin of each candidate is not empty.
        keep: `[candidates]`, bins that are not clipped.
        levels: `[candidates]`, at most `keep`.
    """
    total = counts.sum()
    mass = np.concatenate([[0.0], np.cumsum(counts)])
    in_use = np.concatenate([[0.0], np.cumsum(counts > 0, dtype=np.float64)])
    own = counts * np.log(np.maximum(counts, 1))
    before = np.concatenate([[0.0], np.cumsum(own)])[keep - 1]
    outliers = total - mass[keep]
    last = counts[keep - 1] + outliers
    reference = before + last * np.log(last)
    quantised = np.concatenate(
        [
            _level_terms(mass, in_use, keep[start : start + _BLOCK], levels[start : start + _BLOCK], total)
            for start in range(0, len(keep), _BLOCK)
        ]
    )
    divergences: NDArray[np.float64] = reference - quantised + total * np.log(mass[keep])
    return divergences


def _level_terms(
    mass: NDArray[np.float64],
    in_use: NDArray[np.float64],
    keep: NDArray[np.int64],
    levels: NDArray[np.int64],
    total: float,
) -> NDArray[np.float64]:
    """Return `Σ_l m_l ln(m_l / n_l) + o ln(m_λ / n_λ)` of each candidate."""
    level = np.arange(int(levels.max()) + 1)
    # bin j belongs to level floor(j·L / i), so level l starts at ceil(l·i / L); levels above L are empty
    edge = np.minimum(-(-level * keep[:, None] // levels[:, None]), keep[:, None])
    level_mass = np.diff(mass[edge], axis=1)
    log_mean = np.log(np.maximum(level_mass, 1) / np.maximum(np.diff(in_use[edge], axis=1), 1))
    top = log_mean[np.arange(len(keep)), levels - 1]
    terms: NDArray[np.float64] = (level_mass * log_mean).sum(axis=1) + (total - mass[keep]) * top
    return terms
