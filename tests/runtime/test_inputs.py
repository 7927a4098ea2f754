"""What `infer` is given is checked at the door, with words that help."""

import numpy as np
import pytest
import torch

from eengines.device import DeviceView
from eengines.errors import InputError
from eerun.bundle import InputEntry
from eerun.inputs import check_inputs, check_views

IMAGE = (InputEntry(name="x", dtype="float32", shape=(1, 2), range=(0.0, 1.0)),)
TEXT = (
    InputEntry(name="ids", dtype="int64", shape=(4,)),
    InputEntry(name="mask", dtype="int64", shape=(4,)),
)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((0, 1, 2), np.float32), "got no samples"),
        (np.zeros((2, 1, 2), np.float64), r"got float64, expected float32 \[batch, 1, 2\]"),
        (np.zeros((2, 1, 2), np.uint8), "got uint8"),
        (np.zeros((2, 2), np.float32), r"got float32 \[2, 2\], expected float32 \[batch, 1, 2\]"),
        (np.zeros((1, 2), np.float32), r"Add a batch axis: x\[None\]"),
        (np.zeros((2, 1, 3), np.float32), r"\[2, 1, 3\]"),
        (np.full((2, 1, 2), np.nan, np.float32), r"not finite \(NaN or infinity\) in samples \[0, 1\]"),
        (np.array([[[0, 0]], [[0, np.inf]]], np.float32), r"samples \[1\]"),
        (np.full((2, 1, 2), 255, np.float32), "got values from 255.0 to 255.0, expected 0 to 1"),
        ([[1.0, 2.0]], "got list, expected an array"),
        (None, "got NoneType"),
        ({"y": np.zeros((2, 1, 2), np.float32)}, r"got \['y'\], which the network does not have"),
        (torch.zeros((2, 1, 2), requires_grad=True), "DLPack refuses"),
        (torch.zeros((2, 1, 2), dtype=torch.bfloat16), "DLPack refuses"),
    ],
)
def test_refused(value, message):
    with pytest.raises(InputError, match=message):
        check_inputs(value, IMAGE)


def test_numpy_and_dlpack_share_memory():
    array = np.ones((3, 1, 2), np.float32)
    tensor = torch.ones((3, 1, 2))
    assert check_inputs(array, IMAGE)["x"] is array
    assert check_inputs(tensor, IMAGE)["x"].ctypes.data == tensor.data_ptr()


def test_several_inputs_come_by_name():
    ids, mask = np.zeros((3, 4), np.int64), np.ones((3, 4), np.int64)
    assert check_inputs({"ids": ids, "mask": mask}, TEXT)["mask"] is mask
    with pytest.raises(InputError, match="expected a mapping with ids, mask"):
        check_inputs(ids, TEXT)
    with pytest.raises(InputError, match="different numbers of samples"):
        check_inputs({"ids": ids, "mask": mask[:2]}, TEXT)
    with pytest.raises(InputError, match="input 'mask': got NoneType"):
        check_inputs({"ids": ids}, TEXT)


def test_messages_have_three_parts():
    with pytest.raises(InputError) as caught:
        check_inputs(np.zeros((2, 1, 2), np.uint8), IMAGE)
    assert caught.value.where == "input 'x'"
    assert caught.value.http_status == 400
    assert caught.value.exit_code == 2
    assert str(caught.value).endswith(".")


def test_views_of_a_device_are_checked_by_dtype_and_shape_only():
    def view(array):
        return DeviceView(address=256, dtype=array["dtype"], shape=array["shape"], owner=array)

    there = {"dtype": "float32", "shape": (3, 1, 2)}
    given = check_views({"x": there}, IMAGE, view)["x"]
    assert isinstance(given, DeviceView)
    assert given.owner is there
    for shape, dtype, message in (
        ((3, 2, 2), "float32", r"got float32 \[3, 2, 2\], expected float32 \[batch, 1, 2\]"),
        ((0, 1, 2), "float32", "got no samples"),
        ((), "float32", r"got float32 \[\]"),
        ((3, 1, 2), "uint8", "got uint8"),
    ):
        with pytest.raises(InputError, match=message):
            check_views({"x": {"dtype": dtype, "shape": shape}}, IMAGE, view)


def test_numpy_never_asks_for_a_view():
    array = np.ones((3, 1, 2), np.float32)
    assert check_views(array, IMAGE, lambda _: pytest.fail("asked"))["x"] is array


def test_views_and_arrays_have_the_same_number():
    def view(array):
        return DeviceView(address=256, dtype="int64", shape=(2, 4), owner=array) if array == "there" else None

    with pytest.raises(InputError, match="different numbers of samples"):
        check_views({"ids": "there", "mask": np.ones((3, 4), np.int64)}, TEXT, view)
