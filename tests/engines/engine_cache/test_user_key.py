"""The key of this user: made once, known to nobody else, and refused if that is not sure."""

import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eengines.engine_cache import user_key
from eengines.errors import UserError

PATIENCE_S = 60
KEY = bytes(range(32))
PROGRAM = """
import sys, time
from pathlib import Path
from eengines.engine_cache import user_key
ready, go = Path(sys.argv[1]), Path(sys.argv[2])
ready.touch()
while not go.exists():
    pass
sys.stdout.write(user_key().hex())
"""


@pytest.fixture
def path(tmp_path, monkeypatch) -> Path:
    """Where the key will be."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    return tmp_path / "configuration" / "eecompile" / "plan.key"


@pytest.fixture
def kept(path) -> Path:
    """The file of a key that is as it should be."""
    path.parent.mkdir(parents=True)
    path.write_bytes(KEY)
    path.chmod(0o600)
    assert user_key() == KEY
    return path


def test_the_first_use_makes_it_and_the_others_read_it(path):
    first = user_key()
    assert len(first) == 32
    assert user_key() == path.read_bytes() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["plan.key"], "no half file"


def test_a_lax_umask_does_not_open_it(path):
    before = os.umask(0)
    try:
        user_key()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_keys_differ(path):
    first = user_key()
    path.unlink()
    assert user_key() != first


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666])
def test_a_key_that_others_can_read_or_write(kept, mode):
    kept.chmod(mode)
    with pytest.raises(UserError) as caught:
        user_key()
    assert caught.value.where == str(kept)
    assert caught.value.problem == f"others can read or write it: got mode {mode:o}, expected 600"
    assert f"chmod 600 {kept}" in caught.value.remedy
    kept.chmod(0o600)
    assert user_key() == KEY


@pytest.mark.parametrize("there", [True, False], ids=["whole", "dangling"])
def test_a_link_is_not_followed(kept, there):
    elsewhere = kept.with_name("elsewhere")
    kept.rename(elsewhere)
    kept.symlink_to(elsewhere)
    if not there:
        elsewhere.unlink()
    with pytest.raises(UserError, match="it is a link, expected a file"):
        user_key()
    assert elsewhere.exists() == there


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user(kept):
    os.chown(kept, 65534, -1)
    with pytest.raises(UserError, match="it is owned by user 65534, expected 0"):
        user_key()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "got 0 bytes"), (KEY[:-1], "got 31 bytes"), (KEY + b"\n", "got more than 32 bytes")],
)
def test_a_key_of_another_length(kept, content, words):
    kept.write_bytes(content)
    with pytest.raises(UserError, match=f"{words}, expected 32"):
        user_key()


def test_a_pipe_is_not_waited_on(kept):
    kept.unlink()
    os.mkfifo(kept, 0o600)
    with pytest.raises(UserError, match="it is not a regular file"):
        user_key()


def test_a_folder_in_its_place(kept):
    kept.unlink()
    kept.mkdir(0o700)
    with pytest.raises(UserError, match=r"it cannot be made or read: .*Is a directory"):
        user_key()


def test_a_file_in_place_of_its_folder(path):
    path.parent.parent.mkdir()
    path.parent.touch()
    with pytest.raises(UserError, match=r"it cannot be made or read: .*Not a directory"):
        user_key()


def test_an_interrupt_while_it_is_made_leaves_nothing(path, monkeypatch):
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            user_key()
    assert list(path.parent.iterdir()) == []
    assert len(user_key()) == 32


def test_who_comes_second_takes_the_first_key(path, monkeypatch):
    link = os.link

    def late(source: Path, target: Path) -> None:
        path.write_bytes(KEY)
        path.chmod(0o600)
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    assert user_key() == KEY
    assert [each.name for each in path.parent.iterdir()] == ["plan.key"]


def test_processes_that_make_it_at_once_get_the_same(path, tmp_path):
    signals = [tmp_path / f"ready.{number}" for number in range(2)]
    go = tmp_path / "go"
    started = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, str(ready), str(go)], stdout=subprocess.PIPE, text=True)
        for ready in signals
    ]
    try:
        end = time.monotonic() + PATIENCE_S
        while not all(ready.exists() for ready in signals):
            assert time.monotonic() < end, "a process never came"
            time.sleep(0.01)
        go.touch()
        keys = [process.communicate(timeout=PATIENCE_S)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
            process.stdout.close()
    assert keys == [path.read_bytes().hex()] * 2


def test_threads_that_make_it_at_once_get_the_same(path):
    threads = 8
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(20):
            barrier = threading.Barrier(threads)

            def make(_: int, barrier: threading.Barrier = barrier) -> bytes:
                barrier.wait(PATIENCE_S)
                return user_key()

            assert set(pool.map(make, range(threads))) == {path.read_bytes()}
            shutil.rmtree(path.parent)


@pytest.mark.parametrize("named", [None, "", "relative"])
def test_without_a_configuration_folder_it_is_in_the_home(tmp_path, monkeypatch, named):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.delenv("XDG_CONFIG_HOME")
    if named is not None:
        monkeypatch.setenv("XDG_CONFIG_HOME", named)
    key = user_key()
    assert (tmp_path / "me" / ".config" / "eecompile" / "plan.key").read_bytes() == key
    assert not (tmp_path / "relative").exists()


def test_a_home_that_is_relative_is_not_searched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "me")
    with pytest.raises(UserError, match="HOME: got 'me', expected an absolute path"):
        user_key()
    assert list(tmp_path.iterdir()) == []


def test_no_home(monkeypatch):
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(UserError, match="XDG_CONFIG_HOME: it is not set, and this user has no home"):
        user_key()
