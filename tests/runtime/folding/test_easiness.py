"""Statistics of images against a plain computation, and the order that they give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eengines.errors import BundleError
from eerun.folding import (
    Easiness,
    channel_axis,
    count_with_copies,
    image_statistics,
    order_of,
    partial_groups,
    rows_of,
    statistic_names,
)


def plain(image: np.ndarray, axis: int | None) -> list[float]:
    """Of one image, in float64."""
    pixels = image.astype(np.float64)
    gray = pixels if axis is None else pixels.mean(axis=axis)
    found = [gray.mean(), gray.std()]
    for distance in (1, 2):
        for way in (gray, gray.T):
            differences = np.abs(way[distance:] - way[:-distance]) if len(way) > distance else np.zeros(1)
            found.append(differences.mean())
    channels = [] if axis is None else np.moveaxis(pixels, axis, 0)
    return [*found, *(channel.mean() for channel in channels)]


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@given(
    shape=st.sampled_from([(5, 4), (2, 7), (1, 1), (3, 5, 6), (5, 6, 3), (1, 8, 8)]),
    images=st.integers(1, 5),
    seed=st.integers(0, 2**31),
)
def test_statistics_are_those_of_a_plain_computation(dtype, shape, images, seed):
    array = np.random.default_rng(seed).integers(0, 256, (images, *shape)).astype(dtype)
    axis = channel_axis(shape)
    found = image_statistics(array, axis)
    assert found.shape == (images, len(statistic_names(shape, axis)))
    assert np.allclose(found, [plain(image, axis) for image in array], rtol=1e-4, atol=1e-3)


def test_many_images_are_looked_at_in_blocks():
    array = np.random.default_rng(0).uniform(0, 1, (40, 3, 300, 300)).astype(np.float32)
    together = image_statistics(array, 0)
    assert np.array_equal(together, np.concatenate([image_statistics(array[i : i + 1], 0) for i in range(40)]))


def test_where_the_channels_are():
    assert [channel_axis(shape) for shape in ((3, 8, 8), (8, 8, 3), (1, 8, 8), (8, 8))] == [0, 2, 0, None]


def easiness(**changes) -> Easiness:
    names = statistic_names((3, 3), None)
    weights = tuple(float(name == "mean") for name in names)
    return Easiness(**{"input": "x", "channel_axis": None, "coefficients": weights, "intercept": 0.0, **changes})


def test_easy_images_come_first_and_equals_keep_their_order():
    x = np.array([3, 1, 2, 1, 3, 0], np.float32)[:, None, None] * np.ones((3, 3), np.float32)
    assert order_of({"x": x}, easiness(), 4).tolist() == [5, 1, 3, 2, 0, 4]
    assert order_of({"x": x}, easiness(), 8) is None, "they share a row in any case"
    assert easiness(intercept=1.5).predict({"x": x})[0] == pytest.approx(4.5)


def test_other_images_are_refused():
    with pytest.raises(BundleError, match="got 6 coefficients for images with 9 statistics"):
        easiness(channel_axis=0).order({"x": np.zeros((2, 3, 4, 4), np.float32)})


@pytest.mark.parametrize(
    ("batch", "fold", "words"),
    [
        (8, 4, None),
        (5, 1, None),
        (1, 4, "A batch of 1 does not fill its group of 4: it is filled up by 3 copies"),
        (10, 4, "A batch of 10 does not fill its last group of 4: it is filled up by 2 copies"),
    ],
)
def test_batches_that_do_not_fill_their_groups(batch, fold, words):
    found = partial_groups(batch, fold)
    assert found is None if words is None else found.startswith(words)


@given(samples=st.integers(1, 60), batch=st.integers(1, 40), fold=st.sampled_from([1, 2, 3, 4, 8]))
def test_images_that_share_a_group_with_copies(samples, batch, fold):
    expected = 0
    for start in range(0, samples, batch):
        size = min(batch, samples - start)
        groups = [min(fold, size - row * fold) for row in range(rows_of(size, fold))]
        expected += sum(images for images in groups if images < fold)
    assert count_with_copies(samples, batch, fold) == expected


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rank_correlation": None}, None),
        ({"rank_correlation": 0.2}, None),
        ({"rank_correlation": -0.15}, "is weak: rank correlation -0.15 "),
        ({"coefficients": (0.0,) * 6, "rank_correlation": 0.9}, "says the same of all of them"),
    ],
)
def test_a_predictor_that_says_nothing(change, words):
    found = easiness(**change).weakness
    assert found is None if words is None else words in found
