"""What the folder cannot do costs the keeping, never the plan; an interrupted build costs only itself."""

import logging
import os
import random
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from zlib_backend import OPTIONS, T4, USER_KEY, ZlibBackend

from eengines.engine_cache import EngineCache
from eengines.errors import EngineError

NOBODY = 65534
LARGE = random.Random(0).randbytes(300_000)


def fetch(cache, graph=b"graph", backend=None, said=None):
    say = None if said is None else said.append
    return cache.fetch(backend or ZlibBackend(), graph, OPTIONS, label="segment 2", say=say, warn=say)


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder with one plan that this process may read but not write, root or not."""
    folder = Path(tempfile.mkdtemp())
    fetch(EngineCache(folder, max_bytes=10**6, key=USER_KEY))
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    yield folder
    if root:
        os.seteuid(0)
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow beyond 100 kB: writing then fails as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_read_only_folder_is_read_and_said_once(read_only, said):
    before = sorted(read_only.iterdir())
    cache = EngineCache(read_only, max_bytes=10**6, key=USER_KEY)
    assert fetch(cache, said=said)[1].status == "hit"
    for _ in range(2):
        _, outcome = fetch(cache, b"other", said=said)
        assert (outcome.status, outcome.not_kept) == ("rebuilt", "the cache cannot be written")

    assert sum("the cache cannot be written" in line for line in said) == 1
    assert "Permission denied" in said[0]
    assert sorted(read_only.iterdir()) == before


def test_a_folder_that_cannot_be_made(tmp_path, said):
    (tmp_path / "file").touch()
    cache = EngineCache(tmp_path / "file" / "cache", max_bytes=10**6, key=USER_KEY)
    plan, outcome = fetch(cache, said=said)
    assert plan.content
    assert (outcome.status, outcome.not_kept) == ("built", "the cache cannot be written")
    assert "Not a directory" in said[0]


def test_without_a_callback_the_logger_says_it(tmp_path, caplog):
    (tmp_path / "cache").touch()
    with caplog.at_level(logging.INFO, logger="eengines"):
        fetch(EngineCache(tmp_path / "cache", max_bytes=10**6, key=USER_KEY))
    levels = [(record.name, record.levelname) for record in caplog.records]
    assert levels == [("eengines", "WARNING"), ("eengines", "INFO")]


def test_what_was_there_and_is_not_taken_is_a_warning(tmp_path, caplog):
    cache = EngineCache(tmp_path, max_bytes=10**6, key=USER_KEY)
    with caplog.at_level(logging.INFO, logger="eengines"):
        fetch(cache)
        fetch(cache, backend=ZlibBackend({**T4, "driver": "560.1"}))
        (damaged, *_) = sorted(tmp_path.glob("*.plan"), key=lambda path: path.stat().st_mtime_ns)
        damaged.write_bytes(b"damaged")
        fetch(cache)
        fetch(EngineCache(tmp_path, max_bytes=10**6, key=bytes(32)))
    said = [(record.levelname, record.message.partition(": ")[2][:28]) for record in caplog.records]
    assert said == [
        ("INFO", "no plan in the cache: buildi"),
        ("WARNING", "built with driver 550.54, he"),
        ("WARNING", "the kept plan is damaged, it"),
        ("WARNING", "the kept plan was not made b"),
    ]


def test_notices_and_warnings_go_to_their_own_callbacks(tmp_path, said):
    cache, warned = EngineCache(tmp_path, max_bytes=10**6, key=USER_KEY), []
    for backend in (ZlibBackend(), ZlibBackend({**T4, "driver": "560.1"})):
        cache.fetch(backend, b"graph", OPTIONS, label="segment 2", say=said.append, warn=warned.append)
    assert said == ["segment 2: no plan in the cache: building"]
    assert warned == ["segment 2: built with driver 550.54, here is 560.1: building again"]


def test_a_full_disk(tmp_path, said, small_files):
    cache = EngineCache(tmp_path, max_bytes=10**6, key=USER_KEY)
    fetch(cache)
    plan, outcome = fetch(cache, LARGE, said=said)

    assert len(plan.content) > 200_000
    assert "it cannot be written: " in outcome.not_kept
    assert "File too large" in outcome.not_kept
    assert said[-1] == f"segment 2: the plan is used but not kept: {outcome.not_kept}"
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".lock", ".plan"], "no half file"
    assert fetch(cache)[1].status == "hit"


def test_an_interrupted_build_leaves_nothing_and_the_finished_ones_stay(tmp_path):
    def interrupt() -> None:
        raise KeyboardInterrupt

    cache = EngineCache(tmp_path, max_bytes=10**6, key=USER_KEY)
    fetch(cache, b"segment 1")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        fetch(cache, b"segment 2", ZlibBackend(during=interrupt))
    assert sorted(tmp_path.iterdir()) == before

    statuses = [fetch(cache, graph)[1].status for graph in (b"segment 1", b"segment 2")]
    assert statuses == ["hit", "rebuilt"]


def test_an_interrupt_while_writing_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    cache = EngineCache(tmp_path, max_bytes=10**6, key=USER_KEY)
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(cache)
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_of_the_backend_leaves_nothing(tmp_path):
    def refuse() -> None:
        raise EngineError("node Gemm", "it is refused", "Change it")

    cache = EngineCache(tmp_path, max_bytes=10**6, key=USER_KEY)
    with pytest.raises(EngineError, match="node Gemm"):
        fetch(cache, backend=ZlibBackend(T4, during=refuse))
    assert list(tmp_path.iterdir()) == []
    assert fetch(cache)[1].status == "built"


def test_a_failing_callback_is_not_taken_for_the_folder(tmp_path):
    def broken(line: str) -> None:
        raise BrokenPipeError(line)

    with pytest.raises(BrokenPipeError):
        EngineCache(tmp_path, max_bytes=10**6, key=USER_KEY).fetch(ZlibBackend(), b"g", OPTIONS, label="s", say=broken)
    assert list(tmp_path.iterdir()) == []
