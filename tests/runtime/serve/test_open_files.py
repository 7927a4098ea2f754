"""Fewer open files than connections: the bound follows, and what is too much is refused in words."""

import logging
import resource
import subprocess
import sys
from contextlib import ExitStack, suppress

import pytest
from raw_http import connect, get, read_reply
from served_process import served_process

from eengines.errors import UserError
from eerun.serve.log_rate import EVERY_S, MOST_MESSAGES, LogRate
from eerun.serve.open_files import SPARE_FILES, fit_connections
from eerun.serve.settings import ServeSettings

FLAGS = ("--engine", "onnxruntime", "--threads", "2", "--no-grpc")
FEW = 160
"""More than a server needs for itself."""


def limited(program: str, soft: int, hard: int) -> list[str]:
    """Run in a child with these limits; return what it printed."""
    limits = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
    done = subprocess.run(
        [sys.executable, "-c", limits + program], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.split()


PROGRAM = """
from pathlib import Path
from eerun.serve.open_files import fit_connections
from eerun.serve.settings import ServeSettings
settings = ServeSettings(bundles=(("m", Path("m.ee")),), max_connections=1000, grpc_port={grpc})
print(fit_connections(settings, open_now=20).max_connections, *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("grpc", "hard", "expected"),
    [
        (None, 4000, (1000, 1000 + 20 + SPARE_FILES)),
        (0, 4000, (1000, 2 * 1000 + 20 + SPARE_FILES)),
        (None, 500, (500 - 20 - SPARE_FILES, 500)),
        (0, 500, ((500 - 20 - SPARE_FILES) // 2, 500)),
    ],
)
def test_the_limit_is_raised_as_far_as_needed_and_the_bound_follows(grpc, hard, expected):
    assert limited(PROGRAM.format(grpc=grpc), 300, hard) == [*map(str, expected), str(hard)]


def test_a_limit_that_leaves_no_room_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 100))
    settings = ServeSettings(bundles=(("m", tmp_path),), grpc_port=None, max_connections=10)
    with pytest.raises(UserError, match=r"100 files may be open and 40 are.*ulimit -n 114"):
        fit_connections(settings, open_now=40)


def test_above_the_bound_there_is_an_answer_and_below_it_service_again(tiny_bundle):
    """The child's limit is set while it starts: its bound is then below the default of 1024."""
    with served_process(tiny_bundle.path, *FLAGS, open_files=FEW) as server:
        (said,) = [line for line in server.log if "files may be open" in line]
        bound = int(said.split("at most ")[1].split()[0])
        assert 0 < bound < FEW
        with ExitStack() as stack:
            for _ in range(bound):
                stack.enter_context(connect(server))
            for _ in range(3 * FEW):
                with connect(server) as refused:
                    reply = read_reply(refused)
                    assert reply.status == 503
                    assert f"more than {bound} connections" in reply.error
            held = [stack.enter_context(connect(server)) for _ in range(FEW)]
            assert [read_reply(each).status for each in held] == [503] * FEW
        assert get_until_served(server) == 200
        assert server.stop() == 0
    assert len(server.log) < 20, server.log


def get_until_served(server) -> int:
    """The server sees that clients went when its loop comes to it."""
    for _ in range(1000):
        with suppress(OSError):  # refused before the request was read
            status = get(server, "/v2/health/live").status
            if status != 503:
                return status
    return 503


def test_the_same_line_is_written_once_and_then_says_how_often(monkeypatch):
    now_s = [0.0]
    monkeypatch.setattr("eerun.serve.log_rate.monotonic", lambda: now_s[0])
    rate, written = LogRate(), []

    def log(text):
        record = logging.LogRecord("asyncio", logging.ERROR, "", 0, "%s\nsocket: 7", (text,), None)
        if rate.filter(record):
            written.append(record.getMessage())

    for _ in range(1000):
        log("no files")
    log("another")
    now_s[0] = EVERY_S
    log("no files")
    assert [line.partition("\n")[0] for line in written[:2]] == ["no files", "another"]
    assert written[2].endswith("(999 times more since the last such line)")
    assert len(written) == 3
    for number in range(10 * MOST_MESSAGES):
        log(f"fault {number}")
    assert len(rate._since) <= MOST_MESSAGES
