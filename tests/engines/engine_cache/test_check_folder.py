"""A folder of plans as a whole: what is sound, what is damaged, and what is not the cache's."""

import os

import pytest
from zlib_backend import OPTIONS, USER_KEY, ZlibBackend

from eengines.engine_cache import CheckedFolder, EngineCache, check_folder

KEY = "a" * 64


@pytest.fixture
def folder(tmp_path):
    """A cache with three plans."""
    path = tmp_path / "engines"
    for number in range(3):
        cache = EngineCache(path, max_bytes=10**6, key=USER_KEY)
        cache.fetch(ZlibBackend(), bytes([number]), OPTIONS, label=f"segment {number}")
    return path


def test_plans_are_counted(folder):
    assert check_folder(folder) == CheckedFolder(whole=3)
    first, second, _ = sorted(folder.glob("*.plan"))
    first.write_bytes(first.read_bytes()[:-1] + b"\0")
    assert check_folder(folder) == CheckedFolder(whole=2, damaged=1)
    first.write_bytes(second.read_bytes())
    assert check_folder(folder) == CheckedFolder(whole=2, damaged=1), "the plan of another key"


def test_no_folder_is_an_empty_one(tmp_path):
    assert check_folder(tmp_path / "none") == CheckedFolder()


def test_files_of_a_cache_at_work_are_its_own(folder):
    for name in (f"{KEY}.lock", "folder.lock", f".{KEY}.{'0' * 16}.part"):
        (folder / name).touch()
    assert check_folder(folder) == CheckedFolder(whole=3)


@pytest.mark.parametrize("name", [f"{KEY}.plan", f"{KEY}.lock", "folder.lock", f".{KEY}.{'0' * 16}.part"])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_regular_file_is_strange(folder, name, kind):
    path = folder / name
    path.unlink(missing_ok=True)
    if kind == "link":
        path.symlink_to(next(folder.glob("*.plan")))
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert check_folder(folder) == CheckedFolder(whole=3, strange=(name,))


@pytest.mark.parametrize("name", ["note.txt", f"{KEY}.plan.bak", f"{KEY[1:]}.plan", f"{KEY.upper()}.plan", ".x"])
def test_other_names_are_strange(folder, name):
    (folder / name).touch()
    assert check_folder(folder).strange == (name,)


def test_a_folder_that_is_none_is_strange(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "file").touch()
    assert check_folder(tmp_path / "link") == check_folder(tmp_path / "file") == CheckedFolder(strange=(".",))


def test_a_folder_that_cannot_be_read(folder, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refused)
    assert "Permission denied" in check_folder(folder).problem
