"""Processes and threads that share a folder: one builds, the others wait and read; what a crash leaves is cleared."""

import fcntl
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from zlib_backend import OPTIONS, USER_KEY, ZlibBackend

from eengines.engine_cache import EngineCache
from eengines.engine_cache.file_lock import FileLock

PROGRAM = Path(__file__).with_name("fetching_process.py")
PATIENCE_S = 60
WAITING = "segment 2: its plan is being built elsewhere: waiting for it\n"


@pytest.fixture
def start(tmp_path):
    """Start a process that fetches; all are killed in the end."""
    started = []

    def start(name: str) -> subprocess.Popen:
        command = [sys.executable, str(PROGRAM), str(tmp_path / "cache"), str(tmp_path), name]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def wait_for(path: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} never came"
        time.sleep(0.01)


def test_one_process_builds_and_the_other_reads(tmp_path, start):
    first = start("first")
    wait_for(tmp_path / "building.first")
    second = start("second")
    assert second.stdout.readline() == WAITING
    (tmp_path / "go").touch()

    assert first.communicate(timeout=PATIENCE_S)[0].splitlines()[-1].startswith("built ")
    assert second.communicate(timeout=PATIENCE_S)[0].splitlines()[-1].startswith("hit ")
    assert not (tmp_path / "building.second").exists()
    assert [path.name for path in (tmp_path / "cache").glob("*.lock")] == ["folder.lock"]


def test_a_crash_releases_the_lock(tmp_path, start):
    first = start("first")
    wait_for(tmp_path / "building.first")
    second = start("second")
    assert second.stdout.readline() == WAITING
    first.send_signal(signal.SIGKILL)
    wait_for(tmp_path / "building.second")
    (tmp_path / "go").touch()

    lines = second.communicate(timeout=PATIENCE_S)[0].splitlines()
    assert lines[0] == "segment 2: no plan in the cache: building"
    assert lines[-1].startswith("built ")


def test_threads_build_once(tmp_path):
    backend = ZlibBackend(during=lambda: time.sleep(0.2))
    cache = EngineCache(tmp_path, max_bytes=10**6, key=USER_KEY)
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda _: cache.fetch(backend, b"graph", OPTIONS, label="s"), range(6)))

    assert backend.builds == 1
    assert sorted(outcome.status for _, outcome in results) == ["built"] + ["hit"] * 5
    assert len({plan.content for plan, _ in results}) == 1


def test_who_waits_can_give_up(tmp_path):
    begun, go = threading.Event(), threading.Event()

    def during() -> None:
        begun.set()
        assert go.wait(PATIENCE_S)

    def give_up(share: float) -> None:
        assert share == 0.0
        raise KeyboardInterrupt

    cache = EngineCache(tmp_path, max_bytes=10**6, key=USER_KEY)
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(cache.fetch, ZlibBackend(during=during), b"graph", OPTIONS, label="s")
        assert begun.wait(PATIENCE_S)
        with pytest.raises(KeyboardInterrupt):
            cache.fetch(ZlibBackend(), b"graph", OPTIONS, label="s", progress=give_up)
        go.set()
        assert building.result()[1].status == "built"


def test_different_plans_are_built_at_the_same_time(tmp_path):
    barrier = threading.Barrier(2)
    backend = ZlibBackend(during=lambda: barrier.wait(PATIENCE_S))
    cache = EngineCache(tmp_path, max_bytes=10**6, key=USER_KEY)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda graph: cache.fetch(backend, graph, OPTIONS, label="s"), (b"one", b"two")))
    assert [outcome.status for _, outcome in results] == ["built", "built"]


def test_keeping_at_once_evicts_no_more_than_must(tmp_path):
    graphs = [bytes([number]) for number in range(16)]
    EngineCache(tmp_path, max_bytes=10**6, key=USER_KEY).fetch(ZlibBackend(), graphs[0], OPTIONS, label="s")
    size = EngineCache(tmp_path, max_bytes=10**6, key=USER_KEY).info().nbytes
    limit = 5 * size
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda graph: EngineCache(tmp_path, max_bytes=limit, key=USER_KEY).fetch(
                    ZlibBackend(), graph, OPTIONS, label="s"
                ),
                graphs * 4,
            )
        )
    assert len(EngineCache(tmp_path, max_bytes=limit, key=USER_KEY).info().entries) == 5


def test_half_files_of_a_crash_are_removed_but_not_those_of_a_writer(tmp_path):
    dead, alive = (tmp_path / f".{digit * 64}.{'0' * 16}.part" for digit in "ab")
    dead.write_bytes(b"half")
    alive.write_bytes(b"half")
    lock = FileLock.take(tmp_path / f"{'b' * 64}.lock")
    assert lock is not None
    EngineCache(tmp_path, max_bytes=10**6, key=USER_KEY).fetch(ZlibBackend(), b"graph", OPTIONS, label="s")
    lock.release()

    assert not dead.exists()
    assert alive.exists()


def test_a_lock_has_one_owner(tmp_path):
    path = tmp_path / "a.lock"
    first = FileLock.take(path)
    assert first is not None
    assert FileLock.take(path) is None
    first.release()
    again = FileLock.take(path)
    assert again is not None
    again.release()
    assert not path.exists()


def test_a_lock_whose_file_goes_while_it_is_taken(tmp_path, monkeypatch):
    path, real, calls = tmp_path / "a.lock", fcntl.flock, []

    def late(descriptor: int, operation: int) -> None:
        if not calls:
            path.unlink()  # as its owner does before it lets go
        calls.append(operation)
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    lock = FileLock.take(path)
    assert lock is not None
    assert FileLock.take(path) is None
    lock.release()
