"""What a listing shows, and where the cache is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from zlib_backend import OPTIONS, USER_KEY, ZlibBackend

from eengines.engine_cache import EngineCache, default_cache_folder
from eengines.errors import UserError


def test_a_listing(tmp_path):
    cache = EngineCache(tmp_path, max_bytes=12345, key=USER_KEY)
    for number in (1, 2):
        cache.fetch(ZlibBackend(), bytes([number]), OPTIONS, label=f"segment {number}")
    info = cache.info()

    assert (info.folder, info.max_bytes) == (tmp_path, 12345)
    assert info.nbytes == sum(path.stat().st_size for path in tmp_path.glob("*.plan"))
    newest = info.entries[0]
    assert [entry.label for entry in info.entries] == ["segment 2", "segment 1"]
    assert (newest.engine, newest.library, newest.problem) == ("zlib", "TensorRT 10.4.0", "")
    assert newest.card == "compute capability 7.5, driver 550.54"
    assert newest.nbytes == (tmp_path / f"{newest.key}.plan").stat().st_size
    assert abs(newest.last_used - datetime.now(UTC)) < timedelta(hours=1)


def test_a_cache_that_is_not_there_is_empty(tmp_path):
    info = EngineCache(tmp_path / "none", max_bytes=1, key=USER_KEY).info()
    assert (info.nbytes, info.entries) == (0, ())
    assert not (tmp_path / "none").exists()


def test_a_cache_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Not a directory"):
        EngineCache(tmp_path / "file", max_bytes=1, key=USER_KEY).info()


def test_a_backend_that_says_nothing_of_itself(tmp_path):
    cache = EngineCache(tmp_path, max_bytes=12345, key=USER_KEY)
    cache.fetch(ZlibBackend({}), b"", OPTIONS, label="s")
    (entry,) = cache.info().entries
    assert (entry.library, entry.card) == ("", "")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"EECOMPILE_CACHE": "/data/plans", "XDG_CACHE_HOME": "/xdg"}, "/data/plans"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/eecompile/engines"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/home/me"}, "/home/me/.cache/eecompile/engines"),
        ({"EECOMPILE_CACHE": "", "HOME": "/home/me"}, "/home/me/.cache/eecompile/engines"),
    ],
)
def test_default_folder(monkeypatch, variables, expected):
    for name in ("EECOMPILE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert default_cache_folder() == Path(expected)


def test_no_home(monkeypatch):
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("EECOMPILE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(UserError, match="EECOMPILE_CACHE: it is not set, and this user has no home"):
        default_cache_folder()
