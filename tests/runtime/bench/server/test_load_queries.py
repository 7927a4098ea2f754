"""Queries are encoded as the protocol says, and answers read back."""

import json

import numpy as np
import pytest
import tritonclient.http as triton

from eengines.errors import UserError
from eerun.bench.server.connection_pool import Address
from eerun.bench.server.http_json import address_of
from eerun.bench.server.queries import make_queries
from eerun.bench.server.tensors_on_the_wire import decode_answer, encode_query

RANDOM = np.random.default_rng(0)


def test_a_query_has_the_bytes_of_triton_s_client():
    image, mask = RANDOM.integers(0, 255, (2, 4, 4), np.uint8), RANDOM.standard_normal((2, 3)).astype(np.float32)
    length, body = encode_query({"image": image, "mask": mask}, ("label",))
    given = [triton.InferInput("image", [2, 4, 4], "UINT8"), triton.InferInput("mask", [2, 3], "FP32")]
    given[0].set_data_from_numpy(image)
    given[1].set_data_from_numpy(mask)
    wanted = [triton.InferRequestedOutput("label", binary_data=True)]
    theirs, theirs_length = triton.InferenceServerClient.generate_request_body(given, outputs=wanted)
    assert json.loads(body[:length]) == json.loads(theirs[:theirs_length])
    assert body[length:] == theirs[theirs_length:]


def test_without_wanted_outputs_all_come_as_bytes():
    length, body = encode_query({"x": np.zeros((1, 2), np.int64)}, ())
    assert json.loads(body[:length])["parameters"] == {"binary_data_output": True}
    assert "outputs" not in json.loads(body[:length])


def test_an_answer_in_bytes_and_in_json():
    outputs = [
        {"name": "label", "datatype": "INT64", "shape": [2], "parameters": {"binary_data_size": 16}},
        {"name": "score", "datatype": "FP32", "shape": [2, 1], "data": [0.5, 2]},
        {"name": "exit_index", "datatype": "INT32", "shape": [2], "parameters": {"binary_data_size": 8}},
    ]
    text = json.dumps({"model_name": "net", "outputs": outputs}).encode()
    tensors = np.array([4, -1], np.int64).tobytes() + np.array([0, 1], np.int32).tobytes()
    found = decode_answer(text + tensors, len(text))
    assert {name: array.tolist() for name, array in found.items()} == {
        "label": [4, -1],
        "score": [[0.5], [2.0]],
        "exit_index": [0, 1],
    }


@pytest.mark.parametrize("body", [b"{", b'{"outputs": 3}', b'{"outputs":[{"name":"a","datatype":"FP32","shape":[3]}]}'])
def test_an_answer_that_is_none(body: bytes):
    with pytest.raises(ValueError, match=r"."):
        decode_answer(body, 0)


def test_each_sample_is_in_one_query_and_all_have_one_length():
    x = np.arange(10, dtype=np.float32)[:, None]
    queries = make_queries({"x": x}, batch=3, outputs=(), seed=0)
    assert queries.samples.shape == (3, 3)
    assert len(set(queries.samples.ravel().tolist())) == 9
    assert len({len(body) for body in queries.bodies}) == 1
    for body, samples in zip(queries.bodies, queries.samples, strict=True):
        assert np.frombuffer(body[queries.header_length :], np.float32).tolist() == samples.tolist()
    head = queries.head(Address(host="h", port=8), "net").decode()
    assert head.startswith("POST /v2/models/net/infer HTTP/1.1\r\nHost: h:8\r\n")
    assert f"\r\nContent-Length: {len(queries.bodies[0])}\r\n" in head
    assert head.endswith("\r\n\r\n")
    hostile = queries.head(Address(host="h", port=8), "my model/1?\r\nHost: x").decode()
    assert hostile.startswith("POST /v2/models/my%20model%2F1%3F%0D%0AHost%3A%20x/infer HTTP/1.1\r\nHost: h:8\r\n")


def test_fewer_samples_than_a_query_needs_are_repeated():
    queries = make_queries({"x": np.arange(3, dtype=np.float32)[:, None]}, batch=8, outputs=(), seed=0)
    assert queries.samples.shape == (1, 8)
    assert set(queries.samples.ravel().tolist()) == {0, 1, 2}


def test_addresses():
    assert address_of("http://10.0.0.1:8000") == address_of("10.0.0.1:8000/") == Address(host="10.0.0.1", port=8000)
    assert address_of("http://name") == Address(host="name", port=80)
    for wrong in ("https://name", "http://name/v2", "http://", "http://name:x"):
        with pytest.raises(UserError, match=r"--url .*Give"):
            address_of(wrong)
