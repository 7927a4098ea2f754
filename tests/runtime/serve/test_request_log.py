"""Lines of log of requests: what they say, in both forms, and that a flood does not fill the disk."""

import asyncio
import io
import json
import logging

import numpy as np
import pytest

from eengines.errors import OverloadError
from eerun.model import Result
from eerun.serve import request_log
from eerun.serve.exchange import Exchange
from eerun.serve.logs import open_logs
from eerun.serve.oip.requests import InferRequest, InferResponse
from eerun.serve.request_log import AT_ONCE, RequestLog


@pytest.fixture
def lines():
    """A function that opens logs in one form and returns the stream that they go to."""
    root, own = logging.getLogger(), logging.getLogger("eerun")
    levels, handlers = (root.level, own.level), []

    def open_in(log_format, **options):
        stream = io.StringIO()
        handlers.append(open_logs(log_format, stream=stream, **options))
        return stream

    yield open_in
    for handler in handlers:
        root.removeHandler(handler)
    root.setLevel(levels[0])
    own.setLevel(levels[1])


def exchange(*, own_id="", headers=None, error=None, answered=True, model="tiny"):
    request = InferRequest(model=model, inputs=(), id=own_id)
    result = Result(
        outputs=np.zeros((5, 4), np.float32),
        labels=np.zeros(5, np.int64),
        exit_index=np.array([0, 2, 0, 0, 2], np.int32),
        confidence=np.ones(5, np.float32),
        steps=(),
        queue_ns=1_500_000,
        compute_ns=2_250_000,
    )
    response = InferResponse(model=model, version="3", id=own_id, outputs=(), result=result)
    return Exchange(
        transport="rest",
        model=model,
        request=request,
        response=response if answered and error is None else None,
        error=error,
        headers=headers or {},
        accepted_ns=1_000_000,
        ended_ns=6_000_000,
    )


def overload():
    return OverloadError("tiny.ee", "8 samples wait already", "Try again later", retry_after_s=0.5)


def test_an_answered_request_in_json(lines):
    stream = lines("json", level=logging.DEBUG)
    RequestLog()(exchange(own_id="a\nb"))
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "debug",
        "logger": "eerun.requests",
        "message": "answered",
        "model": "tiny",
        "version": "3",
        "request_id": "a\nb",
        "transport": "rest",
        "samples": 5,
        "exit_count": {"0": 3, "2": 2},
        "queue_ms": 1.5,
        "compute_ms": 2.25,
        "total_ms": 5.0,
    }


def test_the_same_as_text_stays_on_one_line(lines):
    stream = lines("text", level=logging.DEBUG)
    RequestLog()(exchange(own_id='a\nlevel="error"'))
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert " debug   answered model=tiny version=3 " in text
    assert r'request_id="a\nlevel=\"error\""' in text
    assert "samples=5 exit_count=0:3,2:2 queue_ms=1.5 compute_ms=2.25 total_ms=5.0" in text


def test_answered_requests_are_left_out_unless_asked_for(lines):
    stream = lines("json")
    RequestLog()(exchange())
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("own", "headers", "expected"),
    [
        ("mine", {"x-request-id": "theirs"}, "mine"),
        ("", {"x-request-id": "theirs", "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}, "theirs"),
        ("", {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}, "a" * 32),
        ("", {"traceparent": "nonsense"}, None),
        ("x" * 1000, {}, "x" * 128),
    ],
)
def test_request_ids(lines, own, headers, expected):
    stream = lines("json", level=logging.DEBUG)
    RequestLog()(exchange(own_id=own, headers=headers))
    assert json.loads(stream.getvalue()).get("request_id") == expected


def test_a_flood_of_refused_requests_is_counted_not_written(lines, monkeypatch):
    monkeypatch.setattr(request_log, "WINDOW_S", 0.05)
    stream = lines("json")

    async def flood():
        log = RequestLog()
        for _ in range(500):
            log(exchange(error=overload()))
        for _ in range(7):
            log(exchange(answered=False))
        await asyncio.sleep(0.2)
        log(exchange(error=overload()))

    asyncio.run(flood())
    written = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(written) == AT_ONCE + 2
    first, summary = written[0], written[AT_ONCE]
    assert first["level"] == "warning"
    assert first["message"] == "not answered: tiny.ee: 8 samples wait already. Try again later."
    assert (first["reason"], first["model"], first["total_ms"]) == ("OverloadError", "tiny", 5.0)
    assert summary["left_out"] == 507 - AT_ONCE
    assert summary["reasons"] == {"OverloadError": 500 - AT_ONCE, "canceled": 7}
    assert written[-1]["reason"] == "OverloadError"


def test_few_refused_requests_are_all_written(lines, monkeypatch):
    monkeypatch.setattr(request_log, "WINDOW_S", 0.02)
    stream = lines("text")

    async def few():
        log = RequestLog()
        for _ in range(3):
            log(exchange(error=overload(), model="m" * 500))
        await asyncio.sleep(0.1)

    asyncio.run(few())
    assert stream.getvalue().count("reason=OverloadError") == stream.getvalue().count("\n") == 3
    assert "m" * 65 not in stream.getvalue()


def test_tracebacks_and_other_loggers_are_in_the_same_form(lines):
    stream = lines("json")
    try:
        {}["missing"]
    except KeyError:
        logging.getLogger("another").exception("it broke %d times", 2)
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert (line["level"], line["logger"], line["message"]) == ("error", "another", "it broke 2 times")
    assert "KeyError: 'missing'" in line["traceback"]
    assert "\n" in line["traceback"]


def test_debug_of_other_libraries_is_not_shown(lines):
    stream = lines("text", level=logging.DEBUG)
    logging.getLogger("another").debug("chatter")
    assert stream.getvalue() == ""
