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
    assert fitted.channel_axis == (2 if channels_last else 0)
    assert fitted.rank_correlation is not None
    assert 0.8 < fitted.rank_correlation < 1
    others, there = drawn(600, seed=1, channels_last=channels_last)
    predicted = fitted.predict({"x": others})
    assert np.abs(predicted - there).mean() < 0.4
    order = fitted.order({"x": others})
    assert there[order[:200]].mean() < there[order[-200:]].mean() - 1


def test_where_nothing_can_be_known_it_says_so():
    images, exits = drawn(600, seed=2)
    shuffled = np.random.default_rng(0).permutation(exits)
    fitted = fit_easiness("x", images, shuffled, seed=0)
    assert fitted.rank_correlation is not None
    assert abs(fitted.rank_correlation) < 0.15


def test_a_predictor_that_says_the_same_of_all_images_is_refused():
    images, exits = drawn(600, seed=2)
    with pytest.raises(DataError, match="all 600 images pass the same exit"):
        fit_easiness("x", images, np.ones(600, np.int32), seed=0)
    with pytest.raises(DataError, match="all 600 images look alike"):
        fit_easiness("x", np.zeros((600, 5, 5), np.float32), exits, seed=0)


def test_images_without_channels_are_fitted():
    random = np.random.default_rng(0)
    bright = random.uniform(0, 1, 60)
    images = np.broadcast_to(bright[:, None, None], (60, 5, 5)).astype(np.float32)
    fitted = fit_easiness("x", images, (bright > 0.5).astype(np.int32), seed=0)
    assert fitted.channel_axis is None
    assert fitted.predict({"x": images[bright.argsort()[:1]]}) < fitted.predict({"x": images[bright.argsort()[-1:]]})


@pytest.mark.parametrize("shape", [(49, 5, 5), (60, 5), (60, 2, 3, 4, 5)])
def test_few_images_and_other_inputs_are_refused(shape):
    with pytest.raises(DataError, match="expected at least 50 with two or three axes"):
        fit_easiness("x", np.zeros(shape, np.float32), np.zeros(len(np.zeros(shape)), np.int32), seed=0)
