"""Counts of equal answers, in blocks, are those of a plain loop; and so is mean IoU."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eerun.count_alike as module
from eerun.count_alike import count_alike, count_units
from eerun.mean_iou import mean_iou

IGNORED = 255


def maps(seed: int, samples: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    answers, labels = random.integers(0, classes, (2, samples, 3, 4)).astype(np.uint8)
    labels[random.random(labels.shape) < 0.2] = IGNORED
    labels[0, 0, 0] = 0
    return answers, labels


@pytest.mark.parametrize("block_bytes", [1, 30, 1 << 20])
@given(seed=st.integers(0, 1000), samples=st.integers(1, 9))
def test_maps_are_counted_pixel_by_pixel(block_bytes, seed, samples):
    answers, labels = maps(seed, samples, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", block_bytes)
        alike, units = count_alike(answers, labels, IGNORED), count_units(labels, IGNORED)
        every = count_alike(answers, labels, None)
        iou = mean_iou(answers, labels, classes=4, ignored=IGNORED)
    for sample in range(samples):
        pixels = list(zip(answers[sample].ravel(), labels[sample].ravel(), strict=True))
        assert units[sample] == sum(label != IGNORED for _, label in pixels)
        assert alike[sample] == sum(answer == label for answer, label in pixels) == every[sample]
    counted = labels != IGNORED
    shares = []
    for kind in range(3):
        said, true = (answers == kind) & counted, labels == kind
        if (said | true).any():
            shares.append((said & true).sum() / (said | true).sum())
    assert iou == pytest.approx(np.mean(shares))


def test_one_answer_a_sample_counts_one():
    alike = count_alike(np.array([1, 2, 3]), np.array([1, 0, 3]), None)
    assert (alike.dtype, alike.tolist()) == (np.dtype(np.int64), [1, 0, 1])
    assert count_units(np.array([1, 255, 3]), 255).tolist() == [1, 1, 1]


def test_an_ignored_label_never_agrees_even_if_it_is_answered():
    answers, labels = np.full((1, 2, 2), IGNORED, np.uint8), np.full((1, 2, 2), IGNORED, np.uint8)
    assert count_alike(answers, labels, IGNORED).tolist() == [0]
    assert count_alike(answers, labels, None).tolist() == [4]
