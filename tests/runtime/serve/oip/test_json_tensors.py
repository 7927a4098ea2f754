"""JSON arrays of every datatype, shape and nesting, against numpy."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from eerun.serve.errors import RequestError
from eerun.serve.oip.datatypes import DTYPES, datatype_of, dtype_of
from eerun.serve.oip.json_tensors import tensor_from_json
from eerun.serve.oip.tensors import tensor_from_bytes

SHAPES = arrays.array_shapes(min_dims=1, max_dims=4, max_side=4)


@st.composite
def tensors(draw):
    datatype = draw(st.sampled_from(sorted(DTYPES)))
    dtype = DTYPES[datatype]
    finite = {"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else {}
    return datatype, draw(arrays.arrays(dtype, SHAPES, elements=arrays.from_dtype(dtype, **finite)))


@settings(max_examples=150, deadline=None)
@given(tensors(), st.booleans(), st.sampled_from([None, 1]))
def test_what_was_written_is_read(given_tensor, nested, indent):
    datatype, array = given_tensor
    text = json.dumps(array.tolist() if nested else array.ravel().tolist(), indent=indent).encode()
    found = tensor_from_json(name="x", datatype=datatype, shape=array.shape, data=text)
    assert (found.array.dtype, found.shape) == (array.dtype, array.shape)
    assert found.array.tobytes() == array.tobytes()


@settings(max_examples=60, deadline=None)
@given(tensors(), SHAPES)
def test_another_shape_is_refused_unless_it_holds_the_same_flat_data(given_tensor, shape):
    datatype, array = given_tensor
    flat = json.dumps(array.ravel().tolist()).encode()
    if np.prod(shape) == array.size:
        assert np.array_equal(
            tensor_from_json(name="x", datatype=datatype, shape=shape, data=flat).array, array.reshape(shape)
        )
    else:
        with pytest.raises(RequestError):
            tensor_from_json(name="x", datatype=datatype, shape=shape, data=flat)
    if array.ndim > 1 and shape != array.shape:
        with pytest.raises(RequestError):
            tensor_from_json(name="x", datatype=datatype, shape=shape, data=json.dumps(array.tolist()).encode())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40), st.sampled_from(sorted(DTYPES)), st.lists(st.integers(-2, 5), max_size=4))
def test_any_text_is_read_or_refused(text, datatype, shape):
    try:
        found = tensor_from_json(name="x", datatype=datatype, shape=shape, data=text)
    except RequestError:
        return
    assert found.array.shape == tuple(shape)


@settings(max_examples=60, deadline=None)
@given(tensors(), st.integers(0, 7))
def test_bytes_are_viewed_wherever_they_begin(given_tensor, start):
    datatype, array = given_tensor
    content = memoryview(bytes(start) + array.tobytes())[start:]
    found = tensor_from_bytes(name="x", datatype=datatype, shape=array.shape, content=content)
    assert found.array.tobytes() == array.tobytes()
    assert found.array.base is not None
    with pytest.raises(RequestError, match="got"):
        tensor_from_bytes(name="x", datatype=datatype, shape=array.shape, content=bytes(content) + b"x")


@pytest.mark.parametrize("name", sorted(DTYPES))
def test_names_of_datatypes(name):
    assert datatype_of(dtype_of(name).name) == name


@pytest.mark.parametrize("name", ["BYTES", "BF16", "", "fp32"])
def test_datatypes_that_no_network_takes(name):
    with pytest.raises(RequestError, match="expected one of"):
        dtype_of(name)
