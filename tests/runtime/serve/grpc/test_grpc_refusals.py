"""What a busy or failing server says over gRPC, and what it counts."""

import asyncio
import threading
import time

import grpc
import numpy as np
import pytest
import tritonclient.grpc as client
from busy_engine import engine_busy
from grpc_on_a_thread import grpc_on_thread
from tritonclient.grpc import service_pb2, service_pb2_grpc

import eerun
from eengines.errors import EngineError
from eerun.serve.errors import TooLargeError
from eerun.serve.grpc.status import refusal_of
from eerun.serve.settings import ServeSettings

WAIT_S = 30


@pytest.fixture
def seen():
    """Exchanges that an observer of the server is told of."""
    return []


@pytest.fixture
def server(tiny_bundle, seen):
    """A server where eight samples may wait."""
    settings = ServeSettings(
        bundles=(("tiny", tiny_bundle.path),),
        engine="onnxruntime",
        threads=2,
        grpc_port=0,
        reload_s=0.0,
        scheduling=eerun.SchedulerSettings(max_queue=8),
    )
    with grpc_on_thread(settings, observers=[seen.append]) as found:
        yield found


def model_of(server):
    return server.repository.get("tiny").model


def wait_until(what):
    end = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < end, "it never came so far"
        time.sleep(0.005)


def request(x, **parameters):
    sent = service_pb2.ModelInferRequest(model_name="tiny", id="mine", raw_input_contents=[x.tobytes()])
    sent.inputs.add(name="x", datatype="FP32", shape=x.shape)
    for name, value in parameters.items():
        sent.parameters[name].double_param = value
    return sent


def stub(server):
    return service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(server.url))


def test_overload_says_when_to_try_again(server, tiny_bundle, seen):
    ask = stub(server).ModelInfer
    with engine_busy(model_of(server), tiny_bundle.x):
        waiting = [ask.future(request(tiny_bundle.x[:4])) for _ in range(2)]
        wait_until(lambda: model_of(server).statistics().queued_samples == 8)
        with pytest.raises(grpc.RpcError, match="wait") as caught:
            ask(request(tiny_bundle.x[:1]), timeout=WAIT_S)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    trailing = dict(caught.value.trailing_metadata())
    assert int(trailing["retry-after-ms"]) >= 0
    assert [len(call.result(WAIT_S).raw_output_contents) for call in waiting] == [4, 4]
    assert model_of(server).statistics().failures == {"OverloadError": 1}
    assert server.repository.counts.failures() == {}
    wait_until(lambda: len(seen) == 3)
    assert [type(each.error).__name__ for each in seen].count("OverloadError") == 1


def test_a_deadline_that_passes_while_it_waits(server, tiny_bundle):
    with engine_busy(model_of(server), tiny_bundle.x):
        asked = stub(server).ModelInfer.future(request(tiny_bundle.x[:2], deadline_ms=100.0))
        wait_until(lambda: model_of(server).statistics().queued_samples == 2)
        time.sleep(0.15)
    with pytest.raises(grpc.RpcError, match="deadline") as caught:
        asked.result(WAIT_S)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert model_of(server).statistics().failures == {"DeadlineError": 1}


def test_time_that_the_client_waits_is_the_deadline(server, tiny_bundle, seen):
    with engine_busy(model_of(server), tiny_bundle.x):
        channel = grpc.insecure_channel(server.url)
        grpc.channel_ready_future(channel).result(WAIT_S)  # none of the client's time is spent on it
        with pytest.raises(grpc.RpcError) as caught:
            service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request(tiny_bundle.x[:2]), timeout=1.0)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        wait_until(lambda: len(seen) == 1)
        assert 0 < seen[0].request.parameters["deadline_ms"] <= 1020  # gRPC sends it rounded up, by 1 %
    wait_until(lambda: sum(model_of(server).statistics().failures.values()) == 1)
    assert server.repository.counts.failures() == {}


def test_own_deadline_comes_before_the_clients_patience(server, tiny_bundle, seen):
    stub(server).ModelInfer(request(tiny_bundle.x[:2], deadline_ms=9000.0), timeout=WAIT_S)
    assert seen[0].request.parameters == {"deadline_ms": 9000.0}


def test_a_call_that_is_cancelled_never_runs(server, tiny_bundle, seen):
    with engine_busy(model_of(server), tiny_bundle.x):
        call = stub(server).ModelInfer.future(request(tiny_bundle.x[:2]))
        wait_until(lambda: model_of(server).statistics().queued_samples == 2)
        call.cancel()
        wait_until(lambda: model_of(server).statistics().queued_samples == 0)
        wait_until(lambda: len(seen) == 1)
    statistics = model_of(server).statistics()
    assert statistics.failures == {"CancelledError": 1}
    assert statistics.samples == 1
    assert (seen[0].error, seen[0].response) == (None, None)
    assert stub(server).ModelInfer(request(tiny_bundle.x[:2])).id == "mine"


def test_malformed_requests_are_counted_once(server, tiny_bundle, seen):
    for x in (tiny_bundle.x[:1, :5], np.full((1, 24), np.inf, np.float32)):
        with pytest.raises(grpc.RpcError):
            stub(server).ModelInfer(request(np.ascontiguousarray(x)))
    assert server.repository.counts.failures() == {("tiny", "REJECTED"): 2}
    assert model_of(server).statistics().failures == {}
    assert [exchange.transport for exchange in seen] == ["grpc", "grpc"]


def test_a_server_that_drains_is_not_ready_but_answers(server, tiny_bundle):
    server.repository.draining = True
    with client.InferenceServerClient(server.url) as triton:
        assert triton.is_server_live()
        assert not triton.is_server_ready()
        assert not triton.is_model_ready("tiny")
        assert triton.get_model_repository_index().models[0].state == "UNAVAILABLE"
    assert stub(server).ModelInfer(request(tiny_bundle.x[:2])).id == "mine"


def test_a_closed_model_is_unavailable(server, tiny_bundle):
    model_of(server).close()
    with pytest.raises(grpc.RpcError, match="closed") as caught:
        stub(server).ModelInfer(request(tiny_bundle.x[:2]))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_stop_lets_calls_end(tiny_bundle):
    from eerun.serve.grpc import start_grpc
    from eerun.serve.repository import Repository

    settings = ServeSettings(bundles=(("tiny", tiny_bundle.path),), engine="onnxruntime", threads=2, grpc_port=0)
    repository = Repository(settings)

    async def ask_and_stop():
        server = await start_grpc(repository, settings)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            ask = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
            began, go_on = threading.Event(), threading.Event()
            busy = repository.get("tiny").model.submit(
                tiny_bundle.x[:1], max_exit=0, on_exit=lambda _: (began.set(), go_on.wait(WAIT_S))
            )
            began.wait(WAIT_S)
            call = asyncio.ensure_future(ask(request(tiny_bundle.x[:3])))
            while repository.get("tiny").model.statistics().queued_samples < 3:
                await asyncio.sleep(0.005)
            stopping = asyncio.ensure_future(server.stop(WAIT_S))
            await asyncio.sleep(0.02)
            go_on.set()
            answer, _ = await asyncio.gather(call, stopping)
            busy.result(WAIT_S)
            return answer.id

    try:
        assert asyncio.run(ask_and_stop()) == "mine"
    finally:
        repository.close()


def test_a_port_that_is_taken_is_refused(server, tiny_bundle):
    from eengines.errors import UserError

    port = int(server.url.rpartition(":")[2])
    settings = ServeSettings(bundles=(("tiny", tiny_bundle.path),), engine="onnxruntime", threads=2, grpc_port=port)
    with pytest.raises(UserError, match="cannot listen"), grpc_on_thread(settings):
        pass


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EngineError("engine", "it failed", "Look"), grpc.StatusCode.INTERNAL),
        (TooLargeError("body", "too large", "Send less"), grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
def test_other_errors(error, code):
    assert refusal_of(error) == (code, str(error), ())


def test_a_defect_of_the_server_is_counted_and_told(server, tiny_bundle, seen, monkeypatch):
    async def broken(*_, **__):
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("eerun.serve.grpc.service.answer", broken)
    with pytest.raises(grpc.RpcError) as caught:
        stub(server).ModelInfer(request(tiny_bundle.x[:2]))
    assert caught.value.code() is grpc.StatusCode.UNKNOWN
    assert server.repository.counts.failures() == {("tiny", "OTHER"): 1}
    assert isinstance(seen[0].error, ZeroDivisionError)
