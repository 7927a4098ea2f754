"""Reading requests: what is remembered of one must not leak into the next, and what is unusual is still read right."""

import json

import numpy as np
import pytest

from eerun.serve.errors import RequestError
from eerun.serve.rest.decode import decode_request


def _binary(extra: dict) -> bytes:
    declared = {"name": "x", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}}
    return json.dumps({"inputs": [declared], **extra}).encode()


def _decode(text: bytes, data: bytes = b"", *, check=lambda _: None):
    length = b"%d" % len(text) if data else None
    return decode_request(text + data, length, model="m", version=None, check=check)


def test_the_same_json_with_other_data():
    text = _binary({"outputs": [{"name": "label", "parameters": {"binary_data": True}}]})
    for value in (1.0, 2.0):
        asked = _decode(text, np.full(2, value, np.float32).tobytes())
        assert asked.request.inputs[0].array.tolist() == [[value, value]]
        assert asked.binary == {"label"}


def test_the_same_json_is_checked_for_each_model():
    text = _binary({})
    _decode(text, bytes(8))

    def refuse(_declared):
        raise RequestError("inputs", "not mine", "none")

    with pytest.raises(RequestError, match="not mine"):
        _decode(text, bytes(8), check=refuse)


def test_the_same_wrong_json_is_refused_each_time():
    text = _binary({}).replace(b'"datatype"', b'"name": "y", "datatype"')
    for _ in range(2):
        with pytest.raises(RequestError, match="twice"):
            _decode(text, bytes(8))


@pytest.mark.parametrize(
    "extra",
    [
        {"id": 'with "quotes" and \\'},
        {"id": ""},
        {"id": "one", "parameters": {"a": "b", "c": 1, "d": True}},
        {"parameters": {}, "outputs": []},
        {"outputs": [{"name": "label", "parameters": {}}, {"name": "exit_index"}]},
        {"nobody knows": {"this": ["field", {}]}},
    ],
)
def test_strings_that_are_no_keys(extra):
    request = _decode(_binary(extra), bytes(8)).request
    assert request.id == extra.get("id", "")
    assert request.parameters == extra.get("parameters", {})
    assert request.outputs == tuple(output["name"] for output in extra.get("outputs", []))


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        (b'"id": "a"', b'"id": "", "id": "a"'),
        (b'"id": "a"', b'"id": "a", "id": ""'),
        (b'"c": 1', b'"c": "", "c": 1'),
        (b'"shape"', b'"shape": [], "shape"'),
        (b'"name": "label"', b'"name": "label", "n\\u0061me": "label"'),
        (b'"outputs"', b'"outputs": [], "outputs"'),
    ],
)
def test_a_key_that_is_there_twice(once, twice):
    text = _binary({"id": "a", "parameters": {"c": 1}, "outputs": [{"name": "label"}]})
    assert once in text
    with pytest.raises(RequestError, match="twice"):
        _decode(text.replace(once, twice, 1), bytes(8))


@pytest.mark.parametrize("value", ["\U00018d09" * 1000, "a" * 1000])
def test_a_long_value_is_shown_in_short(value):
    with pytest.raises(RequestError) as refused:
        _decode(_binary({"parameters": {"binary_data_output": value}}), bytes(8))
    assert len(str(refused.value)) < 250
