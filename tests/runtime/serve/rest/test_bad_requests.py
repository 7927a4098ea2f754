"""Requests that are not what the protocol says, byte for byte."""

import gzip
import json
import zlib

import numpy as np
import pytest
from raw_http import post

ROW = [0.5] * 24


def request(**change):
    """A good request of one sample, with some of its fields changed; None removes a field."""
    given = {"name": "x", "shape": [1, 24], "datatype": "FP32", "data": ROW, **change}
    return {"inputs": [{name: value for name, value in given.items() if value is not None}]}


def as_json(document):
    return json.dumps(document).encode()


def test_the_good_request_is_answered(server):
    reply = post(server, as_json(request()))
    assert reply.status == 200
    answer = json.loads(reply.body)
    assert [output["name"] for output in answer["outputs"]] == ["logits", "label", "exit_index", "exit_confidence"]
    assert [output["shape"] for output in answer["outputs"]] == [[1, 4], [1], [1], [1]]


@pytest.mark.parametrize("data", [ROW, [ROW], [1] * 24], ids=["flat", "nested", "integers"])
def test_data_flat_or_nested(server, data):
    assert post(server, as_json(request(data=data))).status == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not an inference request"),
        (b"{", "not an inference request"),
        (b"\xff\xfe", "not an inference request"),
        (b"[]", "not an inference request"),
        (b"{}", "not an inference request"),
        (as_json({"inputs": []}), "got none"),
        (as_json({"inputs": {}}), "not an inference request"),
        (as_json({**request(), "id": 7}), "not an inference request"),
        (as_json({**request(), "parameters": {"a": [1]}}), "not an inference request"),
        (as_json(request(name=None)), "not an inference request"),
        (as_json(request(shape="1")), "not an inference request"),
        (as_json(request(shape=[1.5, 24])), "not an inference request"),
        (as_json(request(shape=[-1, 24])), "got shape"),
        (as_json(request(shape=[2**40, 2**40])), "got shape"),
        (as_json(request(shape=[2] * 100_00)), "got shape"),
        (as_json(request(shape=[2**33, 24])), "at most 1024 samples"),
        (as_json(request(shape=[0, 24])), "got no samples"),
        (as_json(request(shape=[0, 24], data=[])), "got no samples"),
        (as_json(request(shape=[24])), "Add a batch axis"),
        (as_json(request(shape=[1, 1, 24])), "expected float32 [batch, 24]"),
        (as_json(request(data=None)), "neither data"),
        (as_json(request(data=ROW[1:])), "got 23 elements"),
        (as_json(request(data=[ROW[:12], ROW[12:]])), "nested as the shape says"),
        (as_json(request(data=[[[1.0] * 24]])), "not a JSON array"),
        (as_json(request(data=[[*ROW[:12]], *ROW[12:]])), "not a JSON array"),
        (as_json(request(data=["a"] * 24)), "not a JSON array"),
        (as_json(request(data=[True] * 24)), "not a JSON array"),
        (as_json(request(data=[None] * 24)), "not a JSON array"),
        (as_json(request(data=1)), "got 1 elements"),
        (as_json(request(data="x" + "," * 23)), "not a JSON array"),
        (as_json(request(data=[float("nan")] * 24)), "not an inference request"),
        (as_json(request(data=[float("inf")] * 24)), "not an inference request"),
        (as_json(request()).replace(b"0.5", b"1e39"), "not finite"),
        (as_json(request()).replace(b"0.5", b"1e999"), "not a JSON array"),
        (as_json(request(datatype="FP99")), "got 'FP99'"),
        (as_json(request(datatype="BYTES")), "got 'BYTES'"),
        (as_json(request(datatype="INT32", data=[1] * 24)), "got int32, expected float32"),
        (as_json(request(datatype="UINT8", data=[256] * 24)), "got uint8, expected float32"),
        (as_json(request()).replace(b"0.5", b"0.5" + b" " * 40), "without blanks"),
        (as_json({**request(), "parameters": {"deadline_ms": 1e305}}), "more than 0 and at most 86400000"),
        (as_json({**request(), "parameters": {"deadline_ms": 10**400}}), "got a huge number"),
        (as_json({**request(), "parameters": {"deadline_ms": 2**63}}), "got a huge number"),
        (as_json({**request(), "parameters": {"max_exit": -(2**63)}}), "got a huge number"),
        (as_json({**request(), "parameters": {"min_exit": "9" * 10_000}}), "got '9999"),
        (as_json(request(name="y")), "['y']"),
        (as_json({"inputs": request()["inputs"] * 2}), "given twice"),
        (as_json({**request(), "outputs": [{"name": "label"}, {"name": "label"}]}), "asked for twice"),
        (as_json({**request(), "parameters": {"binary_data_output": 1}}), "true or false"),
        (as_json(request(parameters={"shared_memory_region": "a"})), "shared_memory_region"),
        (as_json(request()).replace(b'"name"', b'"name": "y", "name"'), "twice"),
        (as_json(request()).replace(b'{"inputs"', b'{"id": "a", "id": "b", "inputs"'), "twice"),
        (as_json({**request(), "parameters": {"a": 1}}).replace(b'"a"', b'"a": 2, "a"'), "twice"),
        (b'{"inputs": ' + b"[" * 100_000, "not an inference request"),
        (b'{"x": ' + b"[" * 50_000 + b"]" * 50_000 + b', "inputs": []}', "not an inference request"),
        (as_json({**request(), "x": ["a"] * 6000}), "strings"),
    ],
)
def test_a_wrong_body_is_refused_with_a_reason(server, body, message):
    reply = post(server, body)
    assert (reply.status, message in reply.error) == (400, True), reply.error


@pytest.mark.parametrize(
    "body", [as_json({**request(), "later": {"a": 1, "b": ["c"]}}), as_json({**request(), "id": ""})]
)
def test_fields_that_are_not_known_do_not_matter(server, body):
    assert post(server, body).status == 200


def binary(size=96, *, header=None, data=None, behind=None, **change):
    """A binary request, and its header."""
    content = np.full(24, 0.5, np.float32).tobytes() if behind is None else behind
    text = as_json(request(data=data, parameters={"binary_data_size": size}, **change))
    return text + content, f"Inference-Header-Content-Length: {len(text) if header is None else header}"


def test_the_good_binary_request_is_answered(server):
    assert post(server, *binary()).status == 200


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (binary(size=95), "got 95 bytes, expected 96"),
        (binary(size=97), "96 bytes are left"),
        (binary(size=-1), "binary_data_size -1"),
        (binary(size=2**70), "binary_data_size a huge number"),
        (binary(size=True), "binary_data_size True"),
        (binary(size="96"), "binary_data_size '96'"),
        (binary(header=10_000), "Inference-Header-Content-Length"),
        (binary(header="1" * 30), "Inference-Header-Content-Length"),
        (binary(header=-1), "Inference-Header-Content-Length"),
        (binary(header=5), "not an inference request"),
        (binary(header="abc"), "Inference-Header-Content-Length"),
        (binary(data=ROW), "both data and binary_data_size"),
        (binary(behind=b"\0" * 97), "1 bytes are left over"),
        (binary(behind=b""), "0 bytes are left"),
        (binary(behind=np.full(24, np.nan, np.float32).tobytes()), "not finite"),
        (binary(behind=np.full(24, np.inf, np.float32).tobytes()), "not finite"),
        (binary(shape=[2, 24]), "got 96 bytes, expected 192"),
        (binary(shape=[1, 25]), "expected float32 [batch, 24]"),
        (binary(datatype="FP16"), "got float16, expected float32"),
    ],
)
def test_a_wrong_binary_body_is_refused_with_a_reason(server, given, message):
    reply = post(server, *given)
    assert (reply.status, message in reply.error) == (400, True), reply.error


@pytest.mark.parametrize(
    ("body", "encoding", "status", "message"),
    [
        (b"nothing packed", "gzip", 400, "cannot be unpacked"),
        (gzip.compress(as_json(request()), mtime=0)[:-9], "gzip", 400, "end early"),
        (gzip.compress(as_json(request()), mtime=0) + b"more", "gzip", 400, "others follow"),
        (zlib.compress(b" " * 10_000_000), "deflate", 413, "when unpacked"),
        (as_json(request()), "br", 400, "'br'"),
    ],
)
def test_a_wrong_packing_is_refused(server, body, encoding, status, message):
    reply = post(server, body, f"Content-Encoding: {encoding}")
    assert (reply.status, message in reply.error) == (status, True), reply.error


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_answers_are_packed_where_that_is_asked_for_and_shorter(server, encoding):
    body = as_json(request(shape=[20, 24], data=ROW * 20))
    plain, packed = post(server, body), post(server, body, f"Accept-Encoding: br, {encoding};q=0.5")
    never = post(server, body, f"Accept-Encoding: {encoding};q=0")
    assert packed.headers["content-encoding"] == encoding
    assert len(packed.body) < len(plain.body)
    assert json.loads(zlib.decompress(packed.body, 47)) == json.loads(plain.body)
    assert "content-encoding" not in plain.headers | never.headers
    assert "content-encoding" not in post(server, as_json(request(shape=[1, 24])), "Accept-Encoding: gzip").headers
