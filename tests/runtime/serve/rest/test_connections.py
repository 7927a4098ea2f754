"""Clients that send too much, too slowly or nothing, that do not read, and that go away."""

import json
import socket
import time
from contextlib import suppress

import numpy as np
import pytest
from busy_engine import engine_busy
from raw_http import ask, connect, infer_head, is_closed, post, read_reply
from served_on_a_thread import served_on_thread

from eerun.scheduler import SchedulerSettings
from eerun.serve.counts import Reason
from eerun.serve.settings import ServeSettings

LIMIT, WAIT_S = 200_000, 20
BODY = json.dumps({"inputs": [{"name": "x", "shape": [1, 24], "datatype": "FP32", "data": [0.5] * 24}]}).encode()
GOOD = infer_head(len(BODY)) + BODY


def settings_of(tiny_bundle, **change):
    base = {"port": 0, "grpc_port": None, "engine": "onnxruntime", "threads": 2, "reload_s": 0.0}
    return ServeSettings(bundles=(("tiny", tiny_bundle.path),), **{**base, **change})


@pytest.fixture(scope="module")
def narrow(tiny_bundle):
    """A server where two samples may wait."""
    with served_on_thread(settings_of(tiny_bundle, scheduling=SchedulerSettings(max_queue=2))) as found:
        yield found


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def test_a_body_that_is_announced_as_too_large(server):
    reply = ask(server, infer_head(LIMIT + 1), b"x" * (LIMIT + 1))
    assert (reply.status, reply.headers["connection"]) == (413, "close")
    assert f"at most {LIMIT}" in reply.error
    assert ask(server, infer_head(10**15)).status == 413


def test_who_asks_first_is_refused_before_sending(server):
    assert ask(server, infer_head(LIMIT + 1, "Expect: 100-continue")).status == 413
    with connect(server) as sock:
        sock.sendall(infer_head(len(BODY), "Expect: 100-continue"))
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(BODY)
        assert read_reply(sock).status == 200


def test_chunks_are_cut_off_where_they_become_too_large(server):
    head = infer_head(None, "Transfer-Encoding: chunked")
    with connect(server) as sock:
        sock.sendall(head)
        for _ in range(4):
            sock.sendall(chunk(b"x" * 60_000))
        sock.sendall(chunk(b""))
        reply = read_reply(sock)
    assert (reply.status, reply.headers["connection"]) == (413, "close")


def test_chunks_of_a_good_request(server):
    parts = [BODY[start : start + 50] for start in range(0, len(BODY), 50)]
    sent = b"".join(map(chunk, [*parts, b""]))
    assert ask(server, infer_head(None, "Transfer-Encoding: chunked"), sent).status == 200


@pytest.mark.parametrize("sent", [b"", BODY[:40]], ids=["nothing", "a part"])
def test_a_body_that_does_not_come_in_time(server, sent):
    reply = ask(server, infer_head(len(BODY)), sent)
    assert (reply.status, reply.headers["connection"]) == (408, "close")
    assert "0.5 s" in reply.error


def test_a_body_that_trickles_holds_up_nobody(server):
    with connect(server) as slow:
        slow.sendall(infer_head(len(BODY)))
        for byte in BODY[:10]:
            slow.sendall(bytes([byte]))
            assert post(server, BODY).status == 200
        assert read_reply(slow).status == 408
        assert is_closed(slow)


@pytest.mark.parametrize("sent", [b"G", GOOD[:60], b"\r\n"])
def test_a_head_that_does_not_come_in_time(server, sent):
    assert ask(server, sent).status == 408


@pytest.mark.parametrize("parts", [1, 40])
def test_a_head_that_is_too_large(server, parts):
    line = b"X-Long: " + b"a" * (80_000 // parts) + b"\r\n"
    head = b"GET /v2 HTTP/1.1\r\nHost: test\r\n"
    reply = ask(server, head, *[line] * parts, b"\r\n")
    assert (reply.status, "head of the request" in reply.error) == (431, True)


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"POST /v2/models/tiny/infer HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v2/models/tiny/infer HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /v2/models/tiny/infer HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        infer_head(None, "Transfer-Encoding: chunked") + b"zz\r\n",
    ],
)
def test_what_is_not_http(server, sent):
    reply = ask(server, sent)
    assert (reply.status, reply.headers["connection"]) == (400, "close")
    assert reply.error


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/tiny/infer", 405),
        ("POST", "/v2/models/tiny", 405),
        ("DELETE", "/v2", 405),
        ("POST", "/v2/models//infer", 404),
        ("POST", "/v2/models/a/b/infer", 404),
        ("POST", "/v2/models/tiny/versions//infer", 404),
        ("GET", "/v2/models/tiny/", 404),
        ("GET", "/%00%ff/../v2", 404),
    ],
)
def test_paths_and_methods_that_are_not_there(server, method, path, status):
    reply = ask(server, f"{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n".encode())
    assert (reply.status, bool(reply.error)) == (status, True)


def test_one_connection_serves_many_requests(server):
    with connect(server) as sock:
        for _ in range(3):
            sock.sendall(GOOD)
            assert read_reply(sock).status == 200
        sock.sendall(infer_head(2) + b"{}")
        assert read_reply(sock).status == 400  # and the connection goes on
        sock.sendall(GOOD)
        assert read_reply(sock).status == 200


def test_requests_that_are_sent_ahead_are_answered_in_order(server):
    def with_id(name):
        body = BODY[:-1] + b', "id": "%s"}' % name
        return infer_head(len(body)) + body

    with connect(server) as sock:
        sock.sendall(with_id(b"a"))
        sock.sendall(with_id(b"b"))
        received = b""
        while received.count(b"HTTP/1.1 200") < 2 or not received.endswith(b"}"):
            received += sock.recv(65536)
    assert 0 < received.index(b'"id":"a"') < received.index(b'"id":"b"')


def test_more_connections_than_there_may_be(server):
    held = [connect(server) for _ in range(40)]
    try:
        with connect(server) as sock:
            reply = read_reply(sock)
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        held[0].sendall(GOOD)
        assert read_reply(held[0]).status == 200
    finally:
        for sock in held:
            sock.close()
    replies = []

    def is_answered():
        with suppress(ConnectionError):  # a reply to what is refused can be lost: it is closed before it has asked
            replies.append(ask(server, GOOD).status)
        return 200 in replies

    assert eventually(is_answered)
    assert set(replies) <= {503, 200}


def test_a_connection_that_is_not_used_is_closed(tiny_bundle):
    settings = settings_of(tiny_bundle, keep_alive_s=1.0)  # used well before it is over, on a busy machine too
    with served_on_thread(settings) as server, connect(server) as silent, connect(server) as used:
        used.sendall(GOOD)
        assert read_reply(used).status == 200
        assert is_closed(used)
        assert is_closed(silent)


def test_a_client_that_does_not_read_its_answer_is_let_go(tiny_bundle):
    scheduling = SchedulerSettings(max_queue=4096)
    limits = {"request_timeout_s": 0.5, "max_request_bytes": 2**23, "scheduling": scheduling}
    count = 4000
    text = json.dumps(
        {
            "inputs": [
                {"name": "x", "shape": [count, 24], "datatype": "FP32", "parameters": {"binary_data_size": count * 96}}
            ]
        }
    ).encode()
    body = text + np.full(count * 24, 0.5, np.float32).tobytes()
    sent = infer_head(len(body), f"Inference-Header-Content-Length: {len(text)}") + body
    with served_on_thread(settings_of(tiny_bundle, **limits)) as server:
        with socket.socket() as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            lazy.settimeout(10)
            lazy.connect(("127.0.0.1", server.port))
            lazy.setblocking(False)
            others = []
            with pytest.raises(ConnectionError):  # answers of 300 kB each: the system does not keep them all
                send_for_ever(lazy, sent, lambda: others.append(ask(server, GOOD).status))
        assert set(others) == {200}


def send_for_ever(sock, content, while_it_blocks):
    while True:
        try:
            sock.send(content)
        except BlockingIOError:
            while_it_blocks()


def eventually(holds) -> bool:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_call_is_cancelled_when_its_client_goes_away(narrow, tiny_bundle):
    model = narrow.repository.get("tiny").model
    with engine_busy(model, tiny_bundle.x):
        before = model.statistics()
        with connect(narrow) as sock:
            sock.sendall(GOOD)
            assert eventually(lambda: model.statistics().queued_requests == 1)
        assert eventually(lambda: model.statistics().queued_requests == 0)
        after = model.statistics()
    assert after.requests == before.requests
    assert after.samples == before.samples
    assert after.failures.get("CancelledError", 0) - before.failures.get("CancelledError", 0) == 1


def test_who_goes_away_in_the_middle_of_a_body_is_counted(narrow):
    failures = narrow.repository.counts.failures
    before = failures().get(("tiny", Reason.CANCELED), 0)
    with connect(narrow) as sock:
        sock.sendall(GOOD[:-10])
    assert eventually(lambda: failures().get(("tiny", Reason.CANCELED), 0) == before + 1)


def test_a_full_queue_says_when_to_come_back(narrow, tiny_bundle):
    model = narrow.repository.get("tiny").model
    with connect(narrow) as first, connect(narrow) as second:
        with engine_busy(model, tiny_bundle.x):
            for number, sock in enumerate((first, second), start=1):
                sock.sendall(GOOD)
                assert eventually(lambda number=number: model.statistics().queued_requests == number)
            reply = ask(narrow, GOOD)
        assert (reply.status, int(reply.headers["retry-after"]) >= 1) == (503, True)
        assert [read_reply(sock).status for sock in (first, second)] == [200, 200]


def test_more_samples_than_can_ever_wait(narrow):
    three = json.dumps({"inputs": [{"name": "x", "shape": [3, 24], "datatype": "FP32", "data": [0.5] * 72}]})
    assert post(narrow, three.encode()).status == 400


def test_a_deadline_that_cannot_be_kept(narrow):
    reply = post(narrow, BODY[:-1] + b', "parameters": {"deadline_ms": 0.0001}}')
    assert (reply.status, "deadline" in reply.error) == (504, True)


def test_refused_requests_are_counted_once(server):
    failures, model = server.repository.counts.failures, server.repository.get("tiny").model
    before, seen = failures().get(("tiny", Reason.REJECTED), 0), sum(model.statistics().failures.values())
    assert post(server, b"{}").status == 400
    assert post(server, b"{}", model="nobody").status == 404
    assert failures()[("tiny", Reason.REJECTED)] == before + 1
    assert {name for name, _ in failures()} == {"tiny"}
    assert sum(model.statistics().failures.values()) == seen
