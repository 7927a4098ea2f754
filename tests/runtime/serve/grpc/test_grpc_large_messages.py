"""Messages of millions of numbers or parts: refused before anything large is built, else read beside the loop."""

import asyncio
import random
import threading
import tracemalloc
from contextlib import suppress

import grpc
import numpy as np
import pytest
import tritonclient.grpc as client
from grpc_on_a_thread import grpc_on_thread
from tritonclient.grpc import service_pb2 as published

import eerun
from eerun.serve.errors import RequestError
from eerun.serve.grpc import service
from eerun.serve.grpc.contents import PIECE, tensors_of
from eerun.serve.grpc.outline import MOST_FIELDS, check_numbers, outline_of_bytes, outline_of_message
from eerun.serve.settings import ServeSettings

FIVE_MILLION = 5_000_000
METHODS = "/inference.GRPCInferenceService/"
FIELDS = {
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT64": "int64_contents",
    "UINT16": "uint_contents",
    "UINT64": "uint64_contents",
}


def typed(datatype, numbers, shape):
    request = published.ModelInferRequest(model_name="tiny", model_version="1")
    given = request.inputs.add(name="x", datatype=datatype, shape=shape)
    getattr(given.contents, FIELDS[datatype]).extend(numbers)
    return request


@pytest.fixture(scope="module")
def settings(tiny_bundle):
    """A server where so many samples may wait that a message of five million numbers may be one."""
    return ServeSettings(
        bundles=(("tiny", tiny_bundle.path),),
        engine="onnxruntime",
        threads=2,
        reload_s=0.0,
        grpc_port=0,
        scheduling=eerun.SchedulerSettings(max_queue=1_000_000),
    )


@pytest.fixture
def server(settings):
    with grpc_on_thread(settings) as found:
        yield found


@pytest.fixture
def ask(server):
    """Sends bytes to a method."""
    with grpc.insecure_channel(server.url) as channel:
        yield lambda content, method="ModelInfer": channel.stream_unary(METHODS + method)(iter([content]), timeout=60)


@pytest.fixture
def parsed(monkeypatch):
    """Bytes, and the thread, of each message of tensors that protobuf sees."""
    found, parse = [], service.parse

    def told(kind, content):
        found.append((len(content), threading.get_ident()))
        return parse(kind, content)

    monkeypatch.setattr("eerun.serve.grpc.service.parse", told)
    return found


def refusal(ask, content, method="ModelInfer"):
    with pytest.raises(grpc.RpcError) as caught:
        ask(content, method)
    return caught.value.code().name, caught.value.details()


@pytest.fixture(scope="module")
def five_million():
    """Messages of so many numbers, by their datatype, which say that they are one sample."""
    return {kind: typed(kind, [1] * FIVE_MILLION, [1, 24]).SerializeToString() for kind in ("FP32", "UINT64", "BOOL")}


@pytest.mark.parametrize("kind", ["FP32", "UINT64", "BOOL"])
def test_contents_that_do_not_fit_the_shape_are_refused_before_anything_is_built(
    ask, server, parsed, five_million, kind
):
    words = {"FP32": "got 5000000 numbers in its contents, expected 24 for FP32", "UINT64": "uint64", "BOOL": "bool"}
    code, details = refusal(ask, five_million[kind])
    assert code == "INVALID_ARGUMENT"
    assert words[kind] in details
    assert parsed == []
    assert server.repository.counts.failures() == {("tiny", "REJECTED"): 1}
    assert server.repository.bodies.held == 0


def test_what_a_refusal_takes_of_memory(five_million):
    """The largest message of these is 20 MB."""
    for content in five_million.values():
        tracemalloc.start()
        try:
            with pytest.raises(RequestError, match="got 5000000 numbers"):
                check_numbers(outline_of_bytes(content))
            assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
        finally:
            tracemalloc.stop()


def test_numbers_that_are_many_are_counted_before_they_are_copied():
    request = typed("FP32", [1.0] * FIVE_MILLION, [1, 24])
    tracemalloc.start()
    try:
        with pytest.raises(RequestError, match="got 5000000 fp32_contents, expected 24"):
            tensors_of(request)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(b"\x2a\x00", id="inputs"),
        pytest.param(b"\x32\x00", id="outputs"),
        pytest.param(b"\x22\x00", id="parameters"),
        pytest.param(b"\x3a\x00", id="raw contents"),
        pytest.param(b"\x78\x01", id="unknown"),
    ],
)
def test_millions_of_parts_are_refused_before_anything_is_built(ask, parsed, part):
    """Protobuf would need 40 times the bytes of a million inputs."""
    code, details = refusal(ask, published.ModelInferRequest(model_name="tiny").SerializeToString() + 10**6 * part)
    assert code == "INVALID_ARGUMENT"
    assert f"more than {MOST_FIELDS} fields" in details
    assert parsed == []


@pytest.mark.parametrize("change", ["shape", "contents", "names"])
def test_large_parts_of_an_input_are_refused(ask, parsed, change):
    request = typed("FP32", [1.0] * 24, [1, 24])
    if change == "shape":
        request.inputs[0].shape.extend([1] * 100_000)
    elif change == "contents":
        request.inputs[0].contents.bytes_contents.extend([b""] * 100_000)
    else:
        for number in range(20_000):
            request.inputs[0].parameters[f"{number}"].bool_param = True
    words = {"shape": "got shape with 100002 bytes", "contents": "fields", "names": "fields"}
    assert words[change] in refusal(ask, request.SerializeToString())[1]
    assert parsed == []


def test_messages_without_tensors_are_small(ask):
    request = published.RepositoryModelLoadRequest(model_name="tiny")
    request.parameters["file:model"].bytes_param = bytes(10**6)
    code, details = refusal(ask, request.SerializeToString(), "RepositoryModelLoad")
    assert code == "RESOURCE_EXHAUSTED"
    assert "expected at most 65536 of a RepositoryModelLoadRequest" in details


def test_no_more_bytes_than_a_request_to_the_model_needs(tiny_bundle, parsed, five_million):
    """As over HTTP."""
    options = {"engine": "onnxruntime", "threads": 2, "reload_s": 0.0, "grpc_port": 0}
    with (
        grpc_on_thread(ServeSettings(bundles=(("tiny", tiny_bundle.path),), **options)) as server,
        grpc.insecure_channel(server.url) as channel,
    ):
        most = server.repository.get("tiny").most_bytes
        assert most < len(five_million["FP32"])
        ask = channel.stream_unary(f"{METHODS}ModelInfer")
        code, details = refusal(lambda content, _: ask(iter([content])), five_million["FP32"])
    assert code == "RESOURCE_EXHAUSTED"
    assert f"expected at most {most}" in details
    assert parsed == []


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "typed"])
def test_large_requests_are_read_beside_the_loop_and_answered(ask, server, parsed, tiny_bundle, expected, raw):
    x = np.tile(tiny_bundle.x, (5, 1))
    if raw:
        request = published.ModelInferRequest(model_name="tiny", raw_input_contents=[x.tobytes()])
        request.inputs.add(name="x", datatype="FP32", shape=x.shape)
    else:
        request = typed("FP32", x.ravel().tolist(), x.shape)
        assert x.size > 2 * PIECE
    found = client.InferResult(published.ModelInferResponse.FromString(ask(request.SerializeToString())))
    assert np.array_equal(found.as_numpy("label"), np.tile(expected.labels, 5))
    assert np.array_equal(found.as_numpy("exit_index"), np.tile(expected.exit_index, 5))
    ((_, thread),) = parsed
    assert thread != asyncio.run_coroutine_threadsafe(thread_of_loop(), server.loop).result(30)


async def thread_of_loop():
    return threading.get_ident()


def test_numbers_that_do_not_fit_are_found_in_every_piece():
    numbers = [1] * (2 * PIECE + 5)
    for wrong in (0, PIECE, 2 * PIECE + 4):
        request = typed("INT8", [*numbers[:wrong], 128, *numbers[wrong + 1 :]], [len(numbers)])
        with pytest.raises(RequestError, match="do not fit into INT8"):
            tensors_of(request)
    (tensor,) = tensors_of(typed("INT8", numbers, [len(numbers)]))
    assert (tensor.array == 1).all()


@pytest.mark.parametrize("datatype", FIELDS)
@pytest.mark.parametrize("count", [0, 1, 24, 3000])
def test_outlines_of_bytes_are_those_of_messages(datatype, count):
    random_ = np.random.default_rng(count)
    numbers = random_.integers(0, 2, count) * (1 if datatype[0] in "BU" else random_.choice([-7, 7, 100], count))
    request = typed(datatype, [bool(n) if datatype == "BOOL" else int(n) for n in numbers], [-3, 2**40, count])
    request.inputs.add(name="ä", datatype="FP32", shape=[1])
    request.outputs.add(name="label").parameters["a"].string_param = "b"
    request.parameters["deadline_ms"].double_param = 5.0
    found, expected = outline_of_bytes(request.SerializeToString()), outline_of_message(request)
    assert found[:2] == expected[:2]
    assert [(d.name, d.datatype, list(d.shape)) for d in found.declared] == [
        (d.name, d.datatype, list(d.shape)) for d in expected.declared
    ]
    assert found.numbers == (count, 0)


def test_outlines_of_numbers_that_are_not_packed():
    """Any reader of the protocol takes these, too: shape [1, 2], and 1.5 and 2.5 in fp32_contents."""
    contents = b"\x35" + np.float32(1.5).tobytes() + b"\x35" + np.float32(2.5).tobytes()
    tensor = b"\x0a\x01x\x12\x04FP32\x18\x01\x18\x02\x2a" + bytes([len(contents)]) + contents
    content = b"\x0a\x04tiny\x2a" + bytes([len(tensor)]) + tensor
    message = published.ModelInferRequest.FromString(content)
    assert list(message.inputs[0].contents.fp32_contents) == [1.5, 2.5]
    found = outline_of_bytes(content)
    assert (found.model, [tuple(each) for each in found.declared]) == ("tiny", [("x", "FP32", [1, 2])])
    assert found.numbers == (2,)


def test_what_is_no_message_is_refused_in_words(ask, parsed):
    for content in (b"\xff\xff", b"\x0a\x05tiny", b"\x0b", b"\x0a\x01\xff"):
        for filling in (b"", b"\x3a\x80\x80\x08" + bytes(2**17)):
            code, details = refusal(ask, filling + content)
            assert code == "INVALID_ARGUMENT"
            assert "it is not a" in details or "not in UTF-8" in details
    code, details = refusal(ask, b"\xff\xff", "ModelConfig")
    assert (code, "it is not a ModelConfigRequest" in details) == ("INVALID_ARGUMENT", True)


def test_outlines_of_damaged_bytes_end_in_words():
    source = random.Random(0)
    good = typed("INT64", list(range(40)), [1, 40]).SerializeToString()
    for _ in range(3000):
        damaged = bytearray(good[: source.randrange(len(good) + 1)])
        for _ in range(source.randrange(4)):
            if damaged:
                damaged[source.randrange(len(damaged))] = source.randrange(256)
        with suppress(RequestError):  # and no other
            check_numbers(outline_of_bytes(bytes(damaged)))
