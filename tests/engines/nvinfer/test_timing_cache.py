"""Times of tactics are kept in a file. TensorRT for RTX still has the calls, though it keeps no times."""

import json
import logging
import os
import stat
import threading
from types import SimpleNamespace

import pytest
from required import require_rtx

from eengines.nvinfer.messages import logger_of, messages
from eengines.nvinfer.timing_cache import default_timing_cache, read_timing_cache, write_timing_cache

trt = require_rtx()
pytestmark = pytest.mark.filterwarnings("ignore:.*Timing cache operations are no-ops:DeprecationWarning")


@pytest.fixture
def config():
    builder = trt.Builder(logger_of(trt))
    yield builder.create_builder_config()
    del builder


class Times:
    """A timing cache whose bytes are JSON, of one version: the library's own is empty where there is no GPU."""

    def __init__(self, content):
        self.times = json.loads(content or "{}")

    def combine(self, input_cache, ignore_mismatch):
        self.times = {**input_cache.times, **self.times}
        return not ignore_mismatch

    def serialize(self):
        return json.dumps(self.times, sort_keys=True).encode()


class Config:
    """A configuration that takes such caches, and none that is damaged."""

    cache: Times | None = None

    def create_timing_cache(self, content):
        try:
            return Times(content)
        except ValueError:
            return None

    def set_timing_cache(self, cache, ignore_mismatch):
        self.cache = cache
        return not ignore_mismatch

    def get_timing_cache(self):
        return self.cache


def build(path, **times):
    """A build that measures some times; those that it found."""
    config = Config()
    read_timing_cache(config, path)
    found = dict(config.cache.times)
    config.cache.times.update(times)
    write_timing_cache(config, path)
    return found


@pytest.mark.parametrize("content", [None, b"", b"damaged" * 9])
def test_whatever_the_file_is_the_build_gets_a_cache_and_leaves_a_whole_file(content, config, tmp_path):
    path = tmp_path / "folder" / "times"
    if content is not None:
        path.parent.mkdir()
        path.write_bytes(content)
    with messages():
        read_timing_cache(config, path)
        assert config.get_timing_cache() is not None
        write_timing_cache(config, path)
    assert path.stat().st_size > 0
    assert {file.name for file in path.parent.iterdir()} == {"times", "times.lock"}, "nothing half written is left"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_build_finds_the_times_of_those_before_it(tmp_path):
    path = tmp_path / "times"
    assert build(path, a=1) == {}
    assert build(path, b=2) == {"a": 1}
    assert json.loads(path.read_bytes()) == {"a": 1, "b": 2}


def test_a_build_keeps_what_others_have_kept_meanwhile(tmp_path):
    path, config = tmp_path / "times", Config()
    read_timing_cache(config, path)
    build(path, other=1)
    config.cache.times["own"] = 2
    write_timing_cache(config, path)
    assert json.loads(path.read_bytes()) == {"other": 1, "own": 2}


def test_no_time_is_lost_among_builds_at_once(tmp_path):
    path, start = tmp_path / "times", threading.Barrier(8)

    def work(number):
        start.wait()
        build(path, **{f"t{number}": number})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(json.loads(path.read_bytes())) == {f"t{number}" for number in range(8)}


def test_a_damaged_file_is_said_and_replaced(tmp_path, caplog):
    path = tmp_path / "times"
    path.write_bytes(b"damaged")
    with caplog.at_level(logging.WARNING, logger="eengines"):
        assert build(path, a=1) == {}
    assert [record.message.rpartition(": ")[2] for record in caplog.records] == ["starting an empty one"]
    assert json.loads(path.read_bytes()) == {"a": 1}


@pytest.mark.parametrize("kind", ["link", "writable", "pipe"])
def test_what_others_could_have_written_is_not_read(kind, tmp_path, caplog):
    path, elsewhere = tmp_path / "times", tmp_path / "elsewhere"
    elsewhere.write_text('{"a": 1}')
    if kind == "link":
        path.symlink_to(elsewhere)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_text('{"a": 1}')
        path.chmod(0o666)
    with caplog.at_level(logging.WARNING, logger="eengines"):
        assert build(path, b=2) == {}
    assert [("cannot be" in record.message) for record in caplog.records] == [True, True]
    assert elsewhere.read_text() == '{"a": 1}'


def test_a_file_that_cannot_be_written_is_only_a_warning(config, tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with caplog.at_level(logging.WARNING, logger="eengines"), messages():
        read_timing_cache(config, blocked / "times")
        write_timing_cache(config, blocked / "times")
    assert [("cannot be" in record.message) for record in caplog.records] == [True, True]


def test_the_users_own_file(tmp_path, monkeypatch):
    monkeypatch.setenv("EECOMPILE_CACHE", str(tmp_path))
    path = default_timing_cache("10.4.0", "Tesla V100-SXM2-16GB")
    assert path == tmp_path / "timing" / "10.4.0-tesla-v100-sxm2-16gb.cache"
    assert default_timing_cache("11.4.0", "NVIDIA H200/../x") == tmp_path / "timing" / "11.4.0-nvidia-h200-x.cache"


def test_a_user_without_a_home_keeps_none(monkeypatch):
    monkeypatch.delenv("EECOMPILE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    home = SimpleNamespace(home=lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    monkeypatch.setattr("eengines.engine_cache.default_folder.Path.home", home.home)
    assert default_timing_cache("11.4.0", "NVIDIA H200") is None
