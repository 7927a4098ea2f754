"""Calls that never send their message, and servers that are stopped meanwhile."""

import threading

import grpc
import pytest
from grpc_on_a_thread import grpc_on_thread
from tritonclient.grpc import service_pb2

from eerun.serve.grpc.arrival import Messages
from eerun.serve.grpc.convert import read_request
from eerun.serve.settings import ServeSettings

WAIT_S = 30
METHOD = "/inference.GRPCInferenceService/ModelInfer"


def settings(path, **more):
    options = {"engine": "onnxruntime", "threads": 2, "reload_s": 0.0, "grpc_port": 0}
    return ServeSettings(bundles=(("tiny", path),), **{**options, **more})


def silent_calls(channel, release, count):
    """Calls that have begun, and send nothing before they are released."""

    def nothing():
        release.wait(WAIT_S)
        yield from ()

    ask = channel.stream_unary(METHOD, request_serializer=bytes, response_deserializer=bytes)
    return [ask.future(nothing()) for _ in range(count)]


def test_a_call_that_sends_no_message_ends(tiny_bundle):
    release = threading.Event()
    with (
        grpc_on_thread(settings(tiny_bundle.path, request_timeout_s=0.3)) as server,
        grpc.insecure_channel(server.url) as channel,
    ):
        calls = silent_calls(channel, release, 20)
        try:
            assert all("did not arrive within 0.3 s" in call.exception(WAIT_S).details() for call in calls)
        finally:
            release.set()


@pytest.fixture
def reading(monkeypatch):
    """Released by each call that waits for its message in a server of this process."""
    found, read = threading.Semaphore(0), Messages.read

    def told(self, context):
        found.release()
        return read(self, context)

    monkeypatch.setattr(Messages, "read", told)
    return found


def test_stopping_does_not_wait_for_messages(tiny_bundle, reading):
    """Nobody would end these calls before half an hour is over.

    Calls that have not come so far are no concern of this test: gRPC itself ends these, some of them as cancelled.
    """
    release = threading.Event()
    with grpc_on_thread(settings(tiny_bundle.path, request_timeout_s=1800.0)) as server:
        channel = grpc.insecure_channel(server.url)
        calls = silent_calls(channel, release, 20)
        assert all(reading.acquire(timeout=WAIT_S) for _ in calls)
    try:
        ends = [call.exception(WAIT_S) for call in calls]
        assert [end.code() for end in ends] == [grpc.StatusCode.UNAVAILABLE] * len(calls)
        assert all("the server is being stopped" in end.details() for end in ends)
    finally:
        release.set()
        channel.close()


@pytest.mark.parametrize(
    ("own_ms", "left_s", "expected"), [(50.0, 1.0, 50.0), (5000.0, 1.0, 1000.0), (None, 2.0, 2000.0)]
)
def test_the_smaller_of_both_deadlines_counts(own_ms, left_s, expected):
    sent = service_pb2.ModelInferRequest(model_name="tiny")
    if own_ms is not None:
        sent.parameters["deadline_ms"].double_param = own_ms
    assert read_request(sent, left_s).parameters["deadline_ms"] == expected
