"""The entropy calibrator against the published procedure, one candidate after the other."""

import numpy as np
import pytest

from eecalib.int8.calibrators import EntropyCalibrator
from eecalib.int8.histogram import Histogram


def observed_of(values):
    histogram = Histogram("t")
    histogram.add(np.asarray(values, np.float32))
    return histogram.observed()


def divergence_by_hand(counts: np.ndarray, keep: int, levels: int) -> float:
    """KL(P ‖ Q) as on the slides: P with the outliers in its last bin, Q from the kept bins without them."""
    reference = counts[:keep].astype(np.float64)
    level_of = np.arange(keep) * levels // keep
    mass, members = np.bincount(level_of, weights=reference), np.bincount(level_of, weights=reference > 0)
    quantised = np.where(reference > 0, (mass / np.maximum(members, 1))[level_of], 0)
    reference[-1] += counts[keep:].sum()
    p, q = reference / reference.sum(), quantised / quantised.sum()
    used = p > 0
    return np.inf if (q[used] == 0).any() else float((p[used] * np.log(p[used] / q[used])).sum())


def clip_by_hand(observed, levels: int) -> float:
    counts = observed.bins.magnitudes.copy()
    counts[0] = counts[1]
    tried = range(levels, len(counts) + 1)
    divergences = [divergence_by_hand(counts, keep, levels) for keep in tried]
    return tried[int(np.argmin(divergences))] * observed.bins.width


@pytest.mark.parametrize(
    ("draw", "grid", "levels"),
    [
        (lambda random: random.laplace(size=40_000), "symmetric", 128),
        (lambda random: random.standard_t(4, 3_000), "symmetric", 128),
        (lambda random: random.normal(size=800), "asymmetric", 128),
        (lambda random: np.maximum(random.laplace(size=20_000), 0), "asymmetric", 256),
        (lambda random: np.maximum(random.laplace(size=20_000), 0), "symmetric", 128),
    ],
    ids=["laplace", "student", "normal", "relu-255", "relu-127"],
)
def test_it_finds_what_the_slides_find(draw, grid, levels):
    values = draw(np.random.default_rng(13))
    values = np.append(values, -values) if values.min() < 0 else values
    observed = observed_of(values)
    clip = EntropyCalibrator(grid=grid).clip_of(observed)
    assert clip == clip_by_hand(observed, levels)


def test_a_few_outliers_far_away_are_clipped():
    random = np.random.default_rng(14)
    bulk = random.normal(size=200_000)
    found = EntropyCalibrator().range_of(observed_of(np.append(bulk, [20.0, -18.0, 15.0])))
    assert 3 < found.amax < 6


def test_a_uniform_tensor_is_kept_whole():
    found = EntropyCalibrator().range_of(observed_of(np.random.default_rng(15).uniform(-1, 1, 400_000)))
    assert found.amax > 0.98


def test_an_asymmetric_tensor_keeps_its_shorter_side():
    inputs = 2 * np.random.default_rng(16).normal(size=400_000)
    observed = observed_of(inputs / (1 + np.exp(-inputs)))
    found = EntropyCalibrator().range_of(observed)
    assert found.low == observed.low == pytest.approx(-0.2785, abs=1e-3)
    assert 5 < found.high < observed.high
