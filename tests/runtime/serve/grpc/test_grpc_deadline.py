"""A deadline counts from when the message arrived, whatever the server does with it then."""

import asyncio
import time

import grpc
import pytest
from grpc_on_a_thread import grpc_on_thread
from tritonclient.grpc import service_pb2, service_pb2_grpc

from eerun.serve.grpc import service
from eerun.serve.grpc.arrival import Arrived, Messages
from eerun.serve.settings import ServeSettings

WAIT_S = 30
READ_S = 0.2


@pytest.fixture
def seen():
    return []


@pytest.fixture
def slow_reading(monkeypatch):
    """A server that takes its time to read a message."""
    read = service.read_request

    def slowly(*given):
        time.sleep(READ_S)
        return read(*given)

    monkeypatch.setattr("eerun.serve.grpc.service.read_request", slowly)


@pytest.fixture
def ask(tiny_bundle, seen):
    options = {"engine": "onnxruntime", "threads": 2, "reload_s": 0.0, "grpc_port": 0}
    settings = ServeSettings(bundles=(("tiny", tiny_bundle.path),), **options)
    with (
        grpc_on_thread(settings, observers=[seen.append]) as server,
        grpc.insecure_channel(server.url) as channel,
    ):
        found = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        yield lambda request: (found(request, timeout=WAIT_S), server.repository.counts.failures())


def request(x, deadline_ms):
    sent = service_pb2.ModelInferRequest(model_name="tiny", raw_input_contents=[x.tobytes()])
    sent.inputs.add(name="x", datatype="FP32", shape=x.shape)
    sent.parameters["deadline_ms"].int64_param = deadline_ms
    return sent


@pytest.mark.usefixtures("slow_reading")
def test_time_to_read_a_message_is_part_of_its_deadline(ask, tiny_bundle, seen):
    with pytest.raises(grpc.RpcError, match="its deadline of 100 ms passed while the server read") as caught:
        ask(request(tiny_bundle.x[:2], 100))
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert type(seen[0].error).__name__ == "LateError"
    _, failures = ask(request(tiny_bundle.x[:2], 20_000))
    assert list(failures.values()) == [1]


@pytest.mark.usefixtures("slow_reading")
def test_logs_and_spans_hear_when_it_arrived(ask, tiny_bundle, seen):
    before_ns = time.perf_counter_ns()
    ask(request(tiny_bundle.x[:2], 20_000))
    (exchange,) = seen
    assert before_ns < exchange.accepted_ns <= exchange.ended_ns - READ_S * 1e9


class Call:
    """A call whose client waits for another 2 s."""

    async def read(self):
        return b"message"

    def time_remaining(self):
        return 2.0


async def read_one():
    return await Messages(WAIT_S).read(Call())


def test_the_clients_patience_is_measured_when_the_message_arrives():
    before_ns = time.perf_counter_ns()
    arrived = asyncio.run(read_one())
    assert before_ns <= arrived.accepted_ns <= time.perf_counter_ns()
    assert arrived.remaining_s == 2.0


def test_the_bytes_of_a_message_are_not_kept():
    arrived = Arrived(b"message", remaining_s=None)
    assert (arrived.take(), arrived.take()) == (b"message", b"")
