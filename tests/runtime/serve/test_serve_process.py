"""`eerun serve` as users run it: what it says, SIGTERM under load, and errors in one line."""

import concurrent.futures
import json
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from raw_http import connect, get, infer_head, is_closed, read_reply
from served_process import ServedProcess, served_process

FLAGS = ("--no-grpc", "--engine", "onnxruntime", "--threads", "2")
BODY = json.dumps({"inputs": [{"name": "x", "shape": [1, 24], "datatype": "FP32", "data": [0.5] * 24}]}).encode()


def run(*arguments):
    command = [sys.executable, "-c", "from eerun.cli.main import main; main()", "serve", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_several_bundles_with_metrics_at_their_own_port(tiny_bundle, folded_bundle):
    arguments = (tiny_bundle.path, f"other={folded_bundle.path}", "--metrics-port", "0", "--grpc-port", "0")
    with served_process(*arguments, "--engine", "onnxruntime", "--threads", "2", "--whole") as server:
        line = server.lines[0]
        assert line.startswith('serving tiny.ee as "tiny" (onnxruntime float32, 1 exit) on http://127.0.0.1:')
        metrics = SimpleNamespace(port=int(line.rpartition(":")[2].removesuffix("/metrics")))
        assert b'model="other"' in get(metrics, "/metrics").body
        assert get(metrics, "/v2").status == 404
        assert json.loads(get(server, "/v2/models/other").body)["name"] == "other"
        assert server.stop(signal.SIGINT) == 0
        second = server.process.stdout.readline()
        assert 'as "other"' in second


def test_sigterm_under_load_answers_what_was_accepted(tiny_bundle, inferred):
    """A client whose connection is closed before the first byte of an answer knows that it was not accepted."""
    answers = []

    def ask_on(server, worker):
        with connect(server) as sock:
            for number in range(worker, 10**6, 4):
                row = number % len(tiny_bundle.x)
                given = {"name": "x", "shape": [1, 24], "datatype": "FP32", "data": tiny_bundle.x[row].tolist()}
                body = json.dumps({"inputs": [given], "outputs": [{"name": "label"}]}).encode()
                try:
                    sock.sendall(infer_head(len(body)) + body)
                    reply = read_reply(sock)
                except OSError:
                    return
                answers.append((row, reply))

    flags = (*FLAGS, "--max-queue-delay-us", "20000")
    with served_process(tiny_bundle.path, *flags) as server, concurrent.futures.ThreadPoolExecutor(4) as pool:
        running = [pool.submit(ask_on, server, worker) for worker in range(4)]
        while len(answers) < 40:
            time.sleep(0.01)
        assert server.stop(timeout_s=20) == 0
        for worker in running:
            worker.result(10)
    labels = [json.loads(reply.body)["outputs"][0]["data"] for _, reply in answers]
    assert labels == [[inferred.labels[row]] for row, _ in answers]
    assert not [line for line in server.log if "Traceback" in line]


def until_queued(server: ServedProcess) -> None:
    """Wait until the request that was sent is at the door of the model."""
    end = time.monotonic() + 20
    while True:
        (model,) = json.loads(get(server, "/status.json").body)["models"]
        if model["queued_samples"]:
            return
        assert time.monotonic() < end, "nothing waits"


def until_refused(server: ServedProcess) -> None:
    """Wait until the server takes no new connections."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
        except ConnectionResetError:  # it was waiting to be accepted
            continue
        except ConnectionRefusedError:
            return
    raise AssertionError("it still takes connections")


def test_who_waits_is_answered_while_the_server_drains(tiny_bundle):
    with served_process(tiny_bundle.path, *FLAGS, "--max-queue-delay-us", "3000000") as server:
        with connect(server) as waiting, connect(server) as idle:
            waiting.sendall(infer_head(len(BODY)) + BODY)
            until_queued(server)
            server.process.send_signal(signal.SIGTERM)
            assert is_closed(idle)
            with pytest.raises(OSError, match="refused"):
                socket.create_connection(("127.0.0.1", server.port), timeout=5)
            reply = read_reply(waiting)
            assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert server.process.wait(10) == 0


def test_what_cannot_be_answered_in_time_is_refused_not_dropped(tiny_bundle):
    flags = ("--max-queue-delay-us", "60000000", "--drain-s", "0.2")
    with served_process(tiny_bundle.path, *FLAGS, *flags) as server:
        with connect(server) as waiting:
            waiting.sendall(infer_head(len(BODY)) + BODY)
            until_queued(server)
            server.process.send_signal(signal.SIGTERM)
            reply = read_reply(waiting)
            assert reply.status == 503
            assert "closed" in reply.error
        assert server.process.wait(10) == 0


def test_errors_are_one_line(tiny_bundle, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for arguments, code, message in (
            ((tiny_bundle.path, "--port", port), 2, f"port {port}"),
            ((tmp_path / "none.ee", "--port", 0), 4, "not a bundle"),
        ):
            done = run(*arguments)
            assert (done.returncode, done.stdout) == (code, ""), done
            assert done.stderr.startswith("error: ")
            assert done.stderr.count("\n") == 1
            assert message in done.stderr


def test_a_second_signal_refuses_at_once_what_waits(tiny_bundle):
    with served_process(tiny_bundle.path, *FLAGS, "--max-queue-delay-us", "60000000") as server:
        with connect(server) as waiting:
            waiting.sendall(infer_head(len(BODY)) + BODY)
            until_queued(server)
            server.process.send_signal(signal.SIGTERM)
            until_refused(server)
            server.process.send_signal(signal.SIGTERM)
            assert read_reply(waiting).status == 503
        assert server.process.wait(10) == 0


def test_a_missing_extra_is_named():
    code = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "sys.argv = ['eerun', 'serve', 'model.ee']\n"
        "from eerun.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'eecompile[serve]'" in done.stderr


def test_embedding_does_not_import_the_server():
    heavy = ("starlette", "uvicorn", "grpc", "prometheus_client")
    code = f"import sys, eerun, eerun.cli.main; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
