"""Shifted and mirrored copies against a slow reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eecompile.input_info import InputInfo
from eecompile.train.augment import CropFlip, draw_crop_flip, refuse_other_than_images, shifted
from eengines.errors import UserError


def moved(image: np.ndarray, down: int, right: int, mirror: bool) -> np.ndarray:
    """One image `[height, width]`: padded with 9, cut out, then mirrored."""
    height, width = image.shape
    padded = np.pad(image, ((height,), (width,)), constant_values=9)
    cut = padded[height - down : 2 * height - down, width - right : 2 * width - right]
    return cut[:, ::-1] if mirror else cut


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_images_are_padded_cut_and_mirrored(seed, height, width, channels_last):
    random = np.random.default_rng(seed)
    images = random.integers(0, 200, (4, 2, height, width)).astype(np.uint16)
    change = draw_crop_flip(random, 4, height, width)
    given_images = np.moveaxis(images, 1, -1) if channels_last else images
    rows = 1 if channels_last else 2
    found = shifted(given_images, change, rows=rows, columns=rows + 1, fill=9)
    assert found.dtype == np.uint16
    found = np.moveaxis(found, -1, 1) if channels_last else found
    for i in range(4):
        for channel in range(2):
            expected = moved(images[i, channel], int(change.down[i]), int(change.right[i]), bool(change.mirrored[i]))
            assert (found[i, channel] == expected).all()


def test_shifts_are_up_to_an_eighth_of_the_side():
    change = draw_crop_flip(np.random.default_rng(0), 2000, 32, 64)
    assert set(change.down) == set(range(-4, 5))
    assert set(change.right) == set(range(-8, 9))
    assert 0.4 < change.mirrored.mean() < 0.6


def test_a_part_of_the_changes_belongs_to_its_samples():
    change = draw_crop_flip(np.random.default_rng(0), 10, 8, 8)
    part = change.take(np.array([7, 2]))
    assert isinstance(part, CropFlip)
    assert list(part.down) == [change.down[7], change.down[2]]


@pytest.mark.parametrize(
    "inputs",
    [
        [InputInfo(name="ids", shape=(12,), dtype="int64")],
        [InputInfo(name="x", shape=(1, 8, 8), dtype="uint8")],
        [InputInfo(name=name, shape=(1, 8, 8), dtype="uint8", layout="NCHW") for name in "ab"],
    ],
    ids=["text", "no layout", "two inputs"],
)
def test_other_inputs_than_one_image_are_refused(inputs):
    with pytest.raises(UserError, match="expected one image with layout NCHW or NHWC"):
        refuse_other_than_images(inputs)
