"""Easiness is fitted to what images look like, and says how little it knows."""

import numpy as np
import pytest

from eecalib.fit import fit_easiness
from eengines.errors import DataError


def drawn(count: int, *, seed: int, channels_last: bool = True):
    """Images whose contrast decides at which exit they are answered, with some noise."""
    random = np.random.default_rng(seed)
    contrast = random.uniform(0, 60, count)
    noise = random.standard_normal((count, 6, 6, 3)) * contrast[:, None, None, None]
    images = np.clip(128 + noise, 0, 255).astype(np.uint8)
    exits = np.digitize(contrast + random.normal(0, 5, count), [20, 40]).astype(np.int32)
    return (images if channels_last else np.moveaxis(images, 3, 1)), exits


@pytest.mark.parametrize("channels_last", [True, False])
def test_what_contrast_decides_is_found(channels_last):
    images, exits = drawn(600, seed=0, channels_last=channels_last)
    fitted = fit_easiness("x", images, exits, seed=0)
    assert fitted.easiness.channel_axis == (2 if channels_last else 0)
    assert 0.8 < fitted.rank_correlation < 1
    others, there = drawn(600, seed=1, channels_last=channels_last)
    predicted = fitted.easiness.predict({"x": others})
    assert np.abs(predicted - there).mean() < 0.4
    order = fitted.easiness.order({"x": others})
    assert there[order[:200]].mean() < there[order[-200:]].mean() - 1


def test_where_nothing_can_be_known_it_says_so():
    images, exits = drawn(600, seed=2)
    shuffled = np.random.default_rng(0).permutation(exits)
    assert abs(fit_easiness("x", images, shuffled, seed=0).rank_correlation) < 0.15
    same = fit_easiness("x", images, np.zeros(600, np.int32), seed=0)
    assert same.rank_correlation == 0
    np.testing.assert_allclose(same.easiness.predict({"x": images}), 0, atol=1e-9)


def test_images_without_any_difference_are_fitted():
    fitted = fit_easiness("x", np.zeros((60, 5, 5), np.float32), np.arange(60, dtype=np.int32) % 3, seed=0)
    assert fitted.easiness.channel_axis is None
    np.testing.assert_allclose(fitted.easiness.predict({"x": np.zeros((2, 5, 5), np.float32)}), 1.0)


@pytest.mark.parametrize("shape", [(49, 5, 5), (60, 5), (60, 2, 3, 4, 5)])
def test_few_images_and_other_inputs_are_refused(shape):
    with pytest.raises(DataError, match="expected at least 50 with two or three axes"):
        fit_easiness("x", np.zeros(shape, np.float32), np.zeros(len(np.zeros(shape)), np.int32), seed=0)
