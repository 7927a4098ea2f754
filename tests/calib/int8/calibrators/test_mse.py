"""The MSE calibrator against quantising the values themselves, and against known optima."""

import math

import numpy as np
import pytest

from eecalib.int8.calibrators import MseCalibrator
from eecalib.int8.histogram import Histogram


def observed_of(values):
    histogram = Histogram("t")
    histogram.add(np.asarray(values, np.float32))
    return histogram.observed()


def error_of(values: np.ndarray, clip: float, step: float) -> float:
    """Mean squared error of quantising, value by value."""
    clipped = np.clip(values, -clip, clip)
    return float(np.mean((values - np.round(clipped / step) * step) ** 2))


@pytest.mark.parametrize("grid", ["asymmetric", "symmetric"])
@pytest.mark.parametrize("relu", [False, True], ids=["signed", "relu"])
@pytest.mark.parametrize("law", ["normal", "laplace", "standard_cauchy"])  # the last without its far tail
def test_no_other_clip_is_clearly_better(law, relu, grid):
    values = getattr(np.random.default_rng(17), law)(size=4000)
    values = np.append(values, -values)[np.abs(np.append(values, values)) < 60]
    values = np.maximum(values, 0) if relu else values
    observed = observed_of(values)
    steps = {("asymmetric", True): 255, ("asymmetric", False): 127.5}.get((grid, relu), 127)
    clip = MseCalibrator(grid=grid).clip_of(observed)
    tried = np.linspace(steps * observed.bins.width, observed.amax, 300)
    best = min(error_of(values, t, t / steps) for t in tried)
    assert error_of(values, clip, clip / steps) <= 1.03 * best


def test_the_optimum_of_a_laplace_tensor():
    # minimum of t²/(3·4^8) + 2·b²·e^(−t/b): Banner et al. 2019, eq. 6, for b = 1 and 8 bits
    clips = np.linspace(5, 15, 10_001)
    known = clips[np.argmin(clips**2 / (3 * 4**8) + 2 * np.exp(-clips))]
    found = MseCalibrator().clip_of(observed_of(np.random.default_rng(18).laplace(size=1_000_000)))
    assert known == pytest.approx(9.9, abs=0.1)
    assert found == pytest.approx(known, rel=0.04)


def test_the_optimum_of_a_normal_tensor():
    # t²/(3·4^8) + 2·∫_t^∞ (x − t)² φ(x) dx, the integral in closed form
    def error(t: float) -> float:
        beyond = math.erfc(t / math.sqrt(2)) / 2
        return t * t / (3 * 4**8) + 2 * ((1 + t * t) * beyond - t * math.exp(-t * t / 2) / math.sqrt(2 * math.pi))

    known = min((error(t), t) for t in np.linspace(2, 6, 4001))[1]
    found = MseCalibrator().clip_of(observed_of(np.random.default_rng(19).normal(size=1_000_000)))
    assert found == pytest.approx(known, rel=0.03)


def test_a_uniform_tensor_is_kept_whole():
    found = MseCalibrator().range_of(observed_of(np.random.default_rng(20).uniform(-1, 1, 400_000)))
    assert found.amax > 0.99


def test_twice_the_steps_allow_a_wider_clip():
    observed = observed_of(np.maximum(np.random.default_rng(21).laplace(size=400_000), 0))
    assert MseCalibrator(grid="asymmetric").clip_of(observed) > 1.05 * MseCalibrator(grid="symmetric").clip_of(observed)
