"""`eerun top`: the figures of a server in the terminal."""

import copy
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from rich.console import Console
from served_on_a_thread import served_on_thread
from typer.testing import CliRunner

from eengines.errors import UserError
from eerun.cli.main import app
from eerun.cli.status_client import StatusClient
from eerun.cli.top_table import top_table
from eerun.serve.settings import ServeSettings


@pytest.fixture(scope="module")
def served(tiny_bundle):
    settings = ServeSettings(
        bundles=(("tiny", tiny_bundle.path), ("other", tiny_bundle.path)),
        port=0,
        grpc_port=None,
        engine="onnxruntime",
        threads=2,
        reload_s=0,
    )
    with served_on_thread(settings) as found:
        model = found.repository.get("tiny").model
        model.submit(tiny_bundle.x[:30], max_exit=0).result()
        model.submit(tiny_bundle.x[:10], exits=False).result()
        yield found


def shown(status, before=None) -> str:
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115 - ends with the test
    console.print(top_table(status, before, url="http://server"))
    return console.export_text()


def run(*words: str):
    return CliRunner().invoke(app, ["top", *words], env={"COLUMNS": "120"})


def lines_of(text: str, first: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.split()[:1] == [first]]


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_once_prints_what_was_sent(served, scheme):
    done = run(f"{scheme}{served.address}", "--once")
    assert done.exit_code == 0
    assert f"http://{served.address}: ready" in done.output
    assert "tiny  version 1, onnxruntime float32" in done.output
    early, other = lines_of(done.output, "early")
    assert early[1:4] == ["30", "75.0%", "0.55"]
    assert other[1:3] == ["0", "0.0%"]
    assert lines_of(done.output, "final")[0][1:4] == ["10", "25.0%", "all"]
    assert done.output.index("tiny  version") < done.output.index("other  version")


def test_rates_are_those_since_the_last_look(served):
    client = StatusClient(served.url)
    before = client.ask()
    after = copy.deepcopy(before)
    model = after["models"][0]
    model["uptime_s"] += 2
    model["requests"] += 20
    model["latency"]["counts"][10] += 20
    model["exits"][0]["samples"] += 60
    model["failures"] = {"EngineError": 3}
    text = shown(after, before)
    header = next(line for line in text.splitlines() if "over 2.0 s" in line)
    row = text.splitlines()[text.splitlines().index(header) + 1].split()
    assert row[:2] == ["10.0", "30.0"]
    assert "EngineError 3" in text


def test_what_an_operator_should_know(served):
    status = StatusClient(served.url).ask()
    status["models"][0] |= {"healthy": False, "last_reload_error": "manifest.json: bad", "void": "another processor"}
    status["models"][0]["overload_step"] = 2
    status["draining"] = True
    text = shown(status)
    assert "draining" in text
    for words in ("the engine fails", "not loaded: manifest.json: bad", "another processor", "thresholds of step 2"):
        assert f"{words}" in text


def test_names_are_no_commands_to_the_terminal(served):
    status = StatusClient(served.url).ask()
    status["models"][0]["name"] = "\x1b[2J[red]x[/] [/bold]"
    status["models"][0]["exits"][0]["name"] = "[link=http://evil]\x07"
    text = shown(status)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[2J[red]x[/] [/bold]" in text
    assert "[link=http://evil]" in text


def test_it_asks_again_and_says_when_nobody_answers(served, monkeypatch):
    """The third look finds no server; Ctrl-C ends it."""
    good, looks = StatusClient(served.url), []

    def ask(_self):
        looks.append(1)
        if len(looks) == 3:
            raise UserError("http://server", "nothing answers there (refused)", "Start one")
        if len(looks) == 5:
            raise KeyboardInterrupt
        return answer()

    answer = good.ask
    monkeypatch.setattr(StatusClient, "ask", ask)
    done = run(served.url, "--interval-s", "0.1")
    assert done.exit_code == 0
    assert len(looks) == 5
    assert done.output.count("http://server: nothing answers there (refused). Start one.") == 1
    assert done.output.count("tiny  version 1") == 4


def closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def another_server(content: bytes, status: int):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_nobody_answers():
    done = run(f"http://127.0.0.1:{closed_port()}", "--once")
    assert isinstance(done.exception, UserError)
    assert "nothing answers there" in str(done.exception)
    assert "eerun serve BUNDLE" in done.exception.remedy


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"<html>", 200), (b"[]", 200), (b'{"models": []}', 200), (b"{}", 200), (b'{"format": "eerun.status/2.0"}', 200)],
)
def test_something_else_answers(content, status):
    with another_server(content, status) as url, pytest.raises(UserError, match=r"expected eerun\.status"):
        StatusClient(url).ask()


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://x:port", "http://[x"])
def test_no_address(url):
    with pytest.raises(UserError, match="expected http://host:port"):
        StatusClient(url)


def test_an_interval_that_is_too_short(served):
    done = run(served.url, "--interval-s", "0")
    assert "--interval-s: got 0.0, expected at least 0.1" in str(done.exception)


def test_top_starts_without_the_extra_serve():
    """Neither starlette nor uvicorn is needed to look at a server on another machine."""
    import subprocess
    import sys

    program = (
        "import sys\n"
        "for name in ('starlette', 'uvicorn', 'grpc', 'prometheus_client', 'psutil', 'httptools'):\n"
        "    sys.modules[name] = None\n"
        "import eerun.cli.top_table, eerun.serve.status\n"
        "print('fine')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "fine\n", done.stderr
