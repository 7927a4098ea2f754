"""Named arrays become splits, or an error that names the array."""

import numpy as np
import pytest

from eengines.errors import DataError
from eerun.data.arrays import data_set_from_arrays

ONE = ("image",)
TWO = ("input_ids", "attention_mask")


def images(count: int) -> np.ndarray:
    return np.arange(count * 4, dtype=np.uint8).reshape(count, 1, 2, 2)


def labels(count: int) -> np.ndarray:
    return np.arange(count) % 3


def test_x_stands_for_the_only_input():
    data = data_set_from_arrays({"x": images(4), "y": labels(4)}, source="s", input_names=ONE)
    assert list(data.splits) == ["all"]
    assert list(data.splits["all"].inputs) == ["image"]
    assert len(data.splits["all"]) == 4
    assert data.splits["all"].labels is not None
    assert data.splits["all"].labels.dtype == np.int64
    assert data.classes is None


def test_splits_are_ordered_and_labels_are_optional():
    arrays = {"x_test": images(3), "image_train": images(5), "y_train": labels(5).astype(np.uint8)}
    data = data_set_from_arrays(arrays, source="s", input_names=ONE)
    assert list(data.splits) == ["train", "test"]
    assert data.splits["test"].labels is None
    assert len(data.splits["train"]) == 5


def test_several_inputs_with_underscores_in_their_names():
    arrays = {
        "input_ids_test": np.zeros((3, 7), np.int64),
        "attention_mask_test": np.ones((3, 7), np.int64),
        "y_test": labels(3),
        "classes": np.array(["a", "b", "c"]),
    }
    data = data_set_from_arrays(arrays, source="s", input_names=TWO)
    assert set(data.splits["test"].inputs) == set(TWO)
    assert data.classes == ("a", "b", "c")


def test_big_endian_arrays_are_converted():
    data = data_set_from_arrays({"x": np.ones((2, 3), ">f4")}, source="s", input_names=ONE)
    assert data.splits["all"].inputs["image"].dtype == np.dtype(np.float32)


def test_byte_string_classes_are_decoded():
    data = data_set_from_arrays({"x": images(2), "classes": np.array([b"\xc3\xa4", b"b"])}, source="s", input_names=ONE)
    assert data.classes == ("ä", "b")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, "no input arrays: got nothing, expected x"),
        ({"y": labels(3)}, "no input arrays: got y"),
        ({"x": images(3), "y": labels(4)}, "labels 'y' has 4 rows for 3 samples"),
        ({"x_val": images(3)}, "unknown split 'val'"),
        ({"x_test": images(3), "labels_test": labels(3)}, "array 'labels_test' is neither"),
        ({"x_test": images(0)}, "array 'x_test' is empty"),
        ({"x": images(3), "y": labels(3).astype(float)}, "float64 with shape \\[3\\], expected integers"),
        ({"x": images(3), "y": labels(3)[:, None]}, "shape \\[3, 1\\], expected integers"),
        ({"x": images(3), "y": labels(3) - 1}, "run from -1 to 1, expected 0 or more"),
        ({"x": images(3), "y": labels(3), "classes": np.array(["a", "b"])}, "run from 0 to 2, expected 0..1"),
        ({"x": images(3), "classes": np.array([1.5])}, "'classes' is float64"),
        ({"x": np.array([object()])}, "holds Python objects"),
        ({"x": np.array(["a", "b"])}, "holds strings"),
        ({"x": np.array(1.0)}, "is a single number"),
        ({"x": images(3), "x_test": images(3)}, "mixes arrays with and without a split"),
        ({"x": images(3), "image": images(3)}, "two arrays for one input"),
        ({"x_test": images(3), "y_train": labels(3)}, "lacks input 'image_train'"),
    ],
)
def test_refusals(arrays: dict[str, np.ndarray], words: str):
    with pytest.raises(DataError, match=words):
        data_set_from_arrays(arrays, source="s", input_names=ONE)


def test_a_missing_input_of_several_is_named():
    with pytest.raises(DataError, match="lacks input 'attention_mask_test'"):
        data_set_from_arrays({"input_ids_test": np.zeros((2, 3), np.int64)}, source="s", input_names=TWO)


def test_inputs_of_different_lengths_are_refused():
    arrays = {"input_ids": np.zeros((2, 3), np.int64), "attention_mask": np.zeros((3, 3), np.int64)}
    with pytest.raises(DataError, match="input_ids: 2, attention_mask: 3"):
        data_set_from_arrays(arrays, source="s", input_names=TWO)
