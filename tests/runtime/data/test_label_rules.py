"""Labels of pixels: how they are read, and which fit a network."""

import numpy as np
import pytest

from eengines.errors import DataError
from eerun.data import check_labels, digest, ignored_label, make_splits
from eerun.data.arrays import data_set_from_arrays

OUTPUT = (3, 4, 5)


def data(labels, count=6):
    arrays = {"x": np.zeros((count, 2), np.float32), "y": labels}
    return data_set_from_arrays(arrays, source="data.npz", input_names=["x"])


@pytest.mark.parametrize(("dtype", "kept"), [("uint8", "uint8"), ("int32", "int64"), ("uint16", "int64")])
def test_maps_are_read_and_bytes_stay_bytes(dtype, kept):
    labels = np.arange(6 * 20).reshape(6, 4, 5).astype(dtype)
    found = data(labels).splits["all"].labels
    assert found.dtype == kept
    np.testing.assert_array_equal(found, labels)


def test_splits_and_digests_know_maps():
    labels = np.random.default_rng(0).integers(0, 3, (40, 4, 5)).astype(np.uint8)
    splits = make_splits(data(labels, 40), seed=0)
    assert splits["tune"].labels.shape == (len(splits["tune"]), 4, 5)
    other = labels.copy()
    other[:, 0, 0] += 1
    assert digest(splits["tune"]) != digest(make_splits(data(other, 40), seed=0)["tune"])


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 5, 1)])
def test_labels_of_other_ranks_are_refused(shape):
    with pytest.raises(DataError, match=r"or \[samples, height, width\] with one class a pixel"):
        data(np.zeros(shape, np.uint8))


def test_a_negative_pixel_is_refused():
    with pytest.raises(DataError, match="go down to -1"):
        data(np.full((6, 4, 5), -1))


def test_as_many_maps_as_samples():
    with pytest.raises(DataError, match="has 5 rows for 6 samples"):
        data(np.zeros((5, 4, 5), np.uint8))


def test_255_does_not_count_where_it_is_no_class():
    assert ignored_label((255, 4, 5)) == 255
    assert ignored_label((256, 4, 5)) is None
    assert ignored_label((3,)) is None


def test_labels_that_fit():
    labels = np.full((2, 4, 5), 2, np.uint8)
    labels[0, 0] = 255
    labels[1] = 255
    check_labels(labels, OUTPUT, source="here")
    check_labels(None, OUTPUT, source="here")
    check_labels(np.array([0, 1]), (3,), source="here")


@pytest.mark.parametrize(
    ("labels", "output", "message"),
    [
        (np.zeros((2, 5, 4), np.uint8), OUTPUT, r"shape \[samples, 5, 4\], expected \[samples, 4, 5\]"),
        (np.zeros(2, np.int64), OUTPUT, r"shape \[samples\], expected \[samples, 4, 5\]"),
        (np.zeros((2, 4, 5), np.uint8), (3,), r"shape \[samples, 4, 5\], expected \[samples\]"),
        (np.full((2, 4, 5), 3, np.uint8), OUTPUT, "sample 0 run from 3 to 3, expected 0..2, or 255"),
        (np.full((2, 4, 5), 300), (256, 4, 5), "sample 0 run from 300 to 300, expected 0..255"),
        (np.full((2, 4, 5), 255, np.uint8), OUTPUT, "all pixels have the label 255, which does not count"),
    ],
)
def test_labels_that_do_not_fit(labels, output, message):
    with pytest.raises(DataError, match=message):
        check_labels(labels, output, source="here")
