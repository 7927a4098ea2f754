"""What a request declares, against what a model takes; and how large a body can be."""

import numpy as np
import pytest

from eerun.bundle.manifest import InputEntry
from eerun.serve.errors import RequestError
from eerun.serve.oip.declared import Declared, check_declared
from eerun.serve.oip.json_tensors import tensor_from_json
from eerun.serve.oip.largest_body import brackets_of, largest_body

IMAGE = InputEntry(name="x", dtype="uint8", shape=(3, 4, 4))
TOKENS = InputEntry(name="ids", dtype="int64", shape=(16,), sequence=0)
GOOD = (Declared("x", "UINT8", [2, 3, 4, 4]), Declared("ids", "INT64", [2, 7]))


def check(*declared):
    check_declared((IMAGE, TOKENS), declared, most_samples=8)


def test_what_the_model_takes():
    check(*GOOD)
    check(*reversed(GOOD))
    check(GOOD[0], Declared("ids", "INT64", [2, 60]))  # longer than the greatest length: there may be padding behind


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ((), r"got \[\], expected \['x', 'ids'\]"),
        (GOOD[:1], "got \\['x'\\]"),
        ((*GOOD, Declared("y", "UINT8", [2])), "'y'"),
        ((GOOD[0], GOOD[0]), "given twice"),
        ((GOOD[0], Declared("ids", "INT64", [3, 7])), "different numbers of samples"),
        ((GOOD[0], Declared("ids", "INT32", [2, 7])), "got int32, expected int64"),
        ((GOOD[0], Declared("ids", "INT64", [2, 7, 1])), r"expected int64 \[batch, up to 16\]"),
        ((GOOD[0], Declared("ids", "INT64", [2, 0])), "got no samples"),
        ((GOOD[0], Declared("ids", "INT64", [2, 65])), "at most 8 samples"),
        ((Declared("x", "UINT8", [3, 4, 4]), GOOD[1]), "Add a batch axis"),
        ((Declared("x", "UINT8", [9, 3, 4, 4]), GOOD[1]), "at most 8 samples"),
        ((Declared("x", "UINT8", [2**40, 2**40]), GOOD[1]), "got shape"),
        ((Declared("x", "BYTES", [2, 3, 4, 4]), GOOD[1]), "expected one of"),
    ],
)
def test_what_it_does_not_take(declared, message):
    with pytest.raises(RequestError, match=message):
        check(*declared)


def test_a_full_queue_of_the_longest_numbers_fits_into_the_largest_body():
    entry = InputEntry(name="x", dtype="float32", shape=(3, 2))
    x = np.full((8, 3, 2), -1.17549435e-38, np.float32)
    text = str(x.tolist()).encode()
    assert len(text) < largest_body([entry], 8) - 2**16
    assert brackets_of(x.shape) == text.count(b"[")


@pytest.mark.parametrize("nested", [False, True])
def test_long_data_are_read_in_pieces(nested):
    x = np.random.default_rng(0).integers(0, 2**40, (300, 5, 20), np.int64)
    text = str(x.tolist() if nested else x.ravel().tolist()).encode()
    assert len(text) > 4 * 2**16
    found = tensor_from_json(name="x", datatype="INT64", shape=x.shape, data=text).array
    assert np.array_equal(found, x)
    wrong = text.replace(b"[", b"[[", 1) if nested else text.replace(b", ", b"], [", 1)
    with pytest.raises(RequestError, match="nested as the shape says"):
        tensor_from_json(name="x", datatype="INT64", shape=x.shape, data=wrong)


@pytest.mark.parametrize(
    ("datatype", "number"),
    [
        ("UINT8", "256"),
        ("INT64", "9223372036854775808"),
        ("UINT64", "-1"),
        ("INT32", "0.5"),
        ("BOOL", "1"),
        ("FP32", "1e999"),
        ("FP32", "true"),
        ("FP32", '"1"'),
        ("FP32", "null"),
        ("FP32", ""),
    ],
)
def test_numbers_that_a_datatype_does_not_have(datatype, number):
    with pytest.raises(RequestError, match="not a JSON array"):
        tensor_from_json(name="x", datatype=datatype, shape=[2], data=f"[{number},{number}]".encode())


@pytest.mark.parametrize(
    "text", ["[[1,2],[3]]", "[[1,2],3,4]", "[[1],[2,3,4]]", "[1,2,[3,4]]", "[[1,2],[3,4]", "[[],[,,,]]"]
)
def test_data_that_are_nested_in_another_way(text):
    with pytest.raises(RequestError):
        tensor_from_json(name="x", datatype="INT64", shape=[2, 2], data=text.encode())


def test_blanks_without_end_are_refused():
    with pytest.raises(RequestError, match="without blanks"):
        tensor_from_json(name="x", datatype="INT64", shape=[2], data=b"[1," + b" " * 100 + b"2]")
