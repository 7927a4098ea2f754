"""The confidence of the network without exit heads: the probability of the class that it answers."""

import numpy as np
import pytest

from eerun.executor.whole_confidence import write_whole_confidence


def largest_probability(logits: np.ndarray) -> np.ndarray:
    """Of `[..., classes]`, in double precision."""
    shares = np.exp(logits.astype(np.float64))
    return (shares / shares.sum(axis=-1, keepdims=True)).max(axis=-1)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_classes(dtype):
    logits = np.random.default_rng(0).normal(0, 3, (6, 5)).astype(dtype)
    found = np.zeros(6, np.float32)
    write_whole_confidence(logits, found, fold=1)
    assert np.allclose(found, largest_probability(logits), rtol=1e-6, atol=0)


def test_maps_have_the_mean_over_their_pixels():
    logits = np.random.default_rng(1).normal(0, 3, (4, 5, 3, 2)).astype(np.float32)
    found = np.zeros(4, np.float32)
    write_whole_confidence(logits, found, fold=1)
    expected = largest_probability(np.moveaxis(logits, 1, -1)).mean(axis=(1, 2))
    assert np.allclose(found, expected, rtol=1e-6, atol=0)


def test_images_of_a_group_have_one_each():
    logits = np.random.default_rng(2).normal(0, 3, (4, 2, 5)).astype(np.float32)
    found = np.zeros((4, 2), np.float32)
    write_whole_confidence(logits, found, fold=2)
    assert np.allclose(found, largest_probability(logits), rtol=1e-6, atol=0)


def test_large_logits_and_those_that_are_not_finite():
    logits = np.array([[1e30, 0, -1e30], [np.inf, 0, 0], [np.nan, 0, 0]], np.float32)
    found = np.zeros(3, np.float32)
    write_whole_confidence(logits, found, fold=1)
    assert found[0] == 1
    assert np.isnan(found[1:]).all()
