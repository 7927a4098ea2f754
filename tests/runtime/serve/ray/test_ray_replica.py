"""A replica and what carries HTTP to it, without Ray: the process itself is what Ray makes of it."""

import asyncio
import json
import pickle

import pytest

from eengines.errors import ClosedError, DeadlineError, EngineError, OverloadError
from eerun.serve.ray import RaySettings
from eerun.serve.ray.http_call import HttpCall, call_app
from eerun.serve.ray.replica import Replica
from eerun.serve.ray.settings import parse_serving


def sent(value):
    """A value as another process gets it."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - made one line above


@pytest.fixture
def replica(tiny_bundle):
    settings = RaySettings(bundle=str(tiny_bundle.path))
    made = Replica(parse_serving(settings, {"engine": "onnxruntime", "threads": 2}))
    yield made
    made.__del__()


def test_calls_of_both_kinds(replica, tiny_bundle):
    x = tiny_bundle.x[:3]
    data = {"inputs": [{"name": "x", "shape": [3, 24], "datatype": "FP32", "data": x.ravel().tolist()}]}
    body = json.dumps(data).encode()
    headers = ((b"content-type", b"application/json"),)
    call = HttpCall(method="POST", path="/v2/models/tiny/infer", query=b"", headers=headers, body=body)
    result = asyncio.run(replica.infer(x))
    answer = asyncio.run(replica.http(call))
    assert answer.status == 200, answer.body
    outputs = {output["name"]: output["data"] for output in json.loads(answer.body)["outputs"]}
    assert outputs["label"] == result.labels.tolist()
    assert sent(result).labels.tolist() == result.labels.tolist()


def test_a_replica_whose_engine_fails_says_so(replica, monkeypatch):
    replica.check_health()
    monkeypatch.setattr(type(replica._model), "healthy", property(lambda _: False))
    with pytest.raises(EngineError, match="failed in its last runs"):
        replica.check_health()


def test_a_replica_that_is_stopped_closes_its_model(replica, tiny_bundle):
    replica.__del__()
    with pytest.raises(ClosedError):
        asyncio.run(replica.infer(tiny_bundle.x[:1]))


def test_an_application_gets_the_request_as_it_was_and_is_not_told_that_the_client_left():
    seen = {}

    async def app(scope, receive, send):
        seen.update(scope, body=(await receive())["body"])
        left = asyncio.ensure_future(receive())
        await asyncio.sleep(0.01)
        seen["left"] = left.done()
        left.cancel()
        await send({"type": "http.response.start", "status": 418, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b"one ", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    call = HttpCall(method="PUT", path="/v2/models/a%20b", query=b"c=d", headers=((b"x", b"y"),), body=b"data")
    answer = asyncio.run(call_app(app, call))
    assert (answer.status, answer.headers, answer.body) == (418, ((b"a", b"b"),), b"one two")
    told = {key: seen[key] for key in ("method", "path", "raw_path", "query_string", "headers", "body", "left")}
    assert told == {
        "method": "PUT",
        "path": "/v2/models/a b",
        "raw_path": b"/v2/models/a%20b",
        "query_string": b"c=d",
        "headers": [(b"x", b"y")],
        "body": b"data",
        "left": False,
    }


def test_errors_and_answers_go_from_process_to_process():
    overload = sent(OverloadError("model", "full", "Wait", retry_after_s=2.5))
    assert (type(overload), overload.retry_after_s, str(overload)) == (OverloadError, 2.5, "model: full. Wait.")
    late = sent(DeadlineError("model", "late", "Hurry"))
    assert (type(late), str(late)) == (DeadlineError, "model: late. Hurry.")
