"""Bodies that are small when packed and large when unpacked, lie about what they hold, or are too many at once."""

import asyncio
import gzip
import json
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_http import ask, connect, infer_head, post, read_reply
from served_on_a_thread import served_on_thread

from eengines.errors import DeadlineError
from eerun.scheduler import SchedulerSettings
from eerun.serve.body_budget import BodyBudget
from eerun.serve.counts import Reason
from eerun.serve.errors import FullError, LateError
from eerun.serve.exchanges import Exchanges
from eerun.serve.oip.answer import answer
from eerun.serve.oip.requests import InferRequest
from eerun.serve.oip.tensors import Tensor
from eerun.serve.rest import infer
from eerun.serve.settings import ServeSettings
from eerun.serve.told import told

BODY = json.dumps({"inputs": [{"name": "x", "shape": [1, 24], "datatype": "FP32", "data": [0.5] * 24}]}).encode()
HELD = 2**20


@pytest.fixture(scope="module")
def roomy(tiny_bundle):
    """A server that takes bodies of 1 MiB, and holds no more of all."""
    limits = ServeSettings(
        bundles=(("tiny", tiny_bundle.path),),
        port=0,
        grpc_port=None,
        engine="onnxruntime",
        threads=2,
        reload_s=0.0,
        max_request_bytes=HELD,
        max_held_bytes=HELD,
        request_timeout_s=5.0,
        scheduling=SchedulerSettings(max_queue=4096),
    )
    with served_on_thread(limits) as found:
        yield found


def numbers(count: int, unit: str, shape: str) -> bytes:
    head = f'{{"inputs":[{{"name":"x","datatype":"FP32","shape":{shape},"data":['
    return (head + ",".join([unit] * count) + "]}]}").encode()


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (numbers(400_000, "1", "[400000]"), 400, "expected float32 [batch, 24]"),
        (numbers(200_000, "[1]", "[200000,1]"), 400, "expected float32 [batch, 24]"),
        (numbers(400_000, "1", "[1,24]"), 400, "without blanks"),
        (numbers(200_000, "[1]", "[1024,24]"), 400, "elements"),
        (numbers(24, "1", "[1,24" + ",1" * 300_000 + "]"), 400, "bytes of text"),
        (numbers(5_000_000, "1", "[5000000]"), 413, "when unpacked"),
    ],
    ids=["flat", "nested", "more than declared", "another nesting", "long shape", "too large"],
)
def test_a_packed_body_that_is_not_what_the_model_takes_costs_its_bytes_alone(roomy, body, status, message):
    packed = gzip.compress(body)
    tracemalloc.start()
    try:
        reply = post(roomy, packed, "Content-Encoding: gzip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (reply.status, message in reply.error) == (status, True), reply.error
    assert peak < 6 * HELD
    assert post(roomy, BODY).status == 200
    assert roomy.repository.bodies.held == 0


def test_the_largest_body_follows_from_the_queue(tiny_bundle):
    limits = ServeSettings(
        bundles=(("tiny", tiny_bundle.path),),
        port=0,
        grpc_port=None,
        engine="onnxruntime",
        threads=2,
        reload_s=0.0,
        scheduling=SchedulerSettings(max_queue=2),
    )
    with served_on_thread(limits) as server:
        reply = ask(server, infer_head(100_000, "Expect: 100-continue"))
        assert (reply.status, "at most 67168" in reply.error) == (413, True), reply.error


def test_bodies_that_are_too_many_bytes_together_are_refused_until_others_have_gone(roomy):
    size = 700_000
    with connect(roomy) as first:
        first.sendall(infer_head(size) + b" " * (size - 1))
        held = roomy.repository.bodies
        while held.held < size - 1:
            post(roomy, BODY)
        reply = ask(roomy, infer_head(size), b" " * size)
        assert (reply.status, reply.headers["retry-after"], reply.headers["connection"]) == (503, "1", "close")
        assert roomy.repository.counts.failures()["tiny", Reason.REJECTED] >= 1
        assert post(roomy, BODY).status == 200
        first.sendall(b" ")
        assert read_reply(first).status == 400
    assert held.held == 0
    assert ask(roomy, infer_head(size), b" " * size).status == 400


def test_a_budget_never_holds_more():
    budget = BodyBudget(10)
    with budget.share() as one, budget.share() as other:
        one.take(6)
        other.take(4)
        with pytest.raises(FullError, match="10 bytes of other requests are held, 1 more make over 10"):
            one.take(1)
    assert budget.held == 0


def test_a_defect_is_told_as_the_protocol_says_and_logged_once(roomy, monkeypatch, caplog):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(infer, "decode_request", broken)
    replies = [post(roomy, BODY) for _ in range(3)]
    assert {(reply.status, reply.error) for reply in replies} == {(500, "the server failed; its log says why")}
    assert {reply.headers["content-type"] for reply in replies} == {"application/json"}
    assert [bool(record.exc_info) for record in caplog.records if "defect" in record.message] == [True]


def test_the_deadline_counts_from_when_the_request_was_accepted(roomy, monkeypatch):
    repository = roomy.repository
    model = repository.get("tiny").model
    deadlines, real = [], model.ainfer

    async def ainfer(x, **terms):
        deadlines.append(terms["deadline_ms"])
        return await real(x)

    monkeypatch.setattr(model, "ainfer", ainfer)
    monkeypatch.setattr("eerun.serve.oip.answer.perf_counter_ns", lambda: 10**9)
    tensor = Tensor(name="x", datatype="FP32", shape=(1, 24), array=np.zeros((1, 24), np.float32))
    request = InferRequest(model="tiny", inputs=(tensor,), parameters={"deadline_ms": 400})
    asyncio.run(answer(repository, request, accepted_ns=700_000_000))
    assert deadlines == [100.0]
    with pytest.raises(LateError, match="400 ms passed while the server read the request"):
        asyncio.run(answer(repository, request, accepted_ns=600_000_000))
    assert len(deadlines) == 1


def test_clients_are_told_the_name_of_a_model_and_not_its_folder():
    served = SimpleNamespace(name="tiny", path=Path("/srv/models/tiny.ee"))
    late = told(DeadlineError("/srv/models/tiny.ee", "its deadline has passed", "Try again"), served)
    assert (type(late), str(late)) == (DeadlineError, "model 'tiny': its deadline has passed. Try again.")
    damaged = told(DeadlineError("/srv/models/tiny.ee/segments/0.onnx", "see /srv/models/tiny.ee", "Build"), served)
    assert str(damaged) == "model 'tiny', segments/0.onnx: see model 'tiny'. Build."


def test_the_log_has_the_folder_that_clients_are_not_told(roomy, tiny_bundle):
    seen = []
    exchanges = Exchanges("rest", roomy.repository, [lambda exchange: seen.append(str(exchange.error))])
    with pytest.raises(DeadlineError) as caught, exchanges.of("tiny", {}):
        raise DeadlineError(str(tiny_bundle.path), "its deadline has passed", "Try again")
    assert str(caught.value) == "model 'tiny': its deadline has passed. Try again."
    assert seen == [f"{tiny_bundle.path}: its deadline has passed. Try again."]


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["deadline_ms", "max_exit", "min_exit", "binary_data_output", "sequence_id"]),
        st.one_of(
            st.integers(),
            st.integers(1, 500).map(lambda digits: -(10**digits)),
            st.integers(1, 500).map(lambda digits: 10**digits),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(max_size=3).map(lambda text: text * 5000),
            st.recursive(st.booleans(), st.lists, max_leaves=5),
        ),
    )
)
def test_any_parameters_are_answered_or_refused(roomy, parameters):
    document = {**json.loads(BODY), "parameters": parameters}
    reply = post(roomy, json.dumps(document).encode())
    assert reply.status in (200, 400, 504)
    assert reply.status == 200 or (reply.headers["content-type"] == "application/json" and len(reply.error) < 500)
