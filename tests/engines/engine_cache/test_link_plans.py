"""Plans come along from one folder to another, and nothing else does."""

import errno
import os

import pytest
from zlib_backend import OPTIONS, USER_KEY, ZlibBackend

from eengines.engine_cache import EngineCache, link_plans

NAMES = [f"{digit * 64}.plan" for digit in "abcdef0"]


def fetch(folder, number):
    cache = EngineCache(folder, max_bytes=10**6, key=USER_KEY)
    return cache.fetch(ZlibBackend(), bytes([number]), OPTIONS, label=f"segment {number}")[1].status


def no_links(*_, **__):
    raise OSError(errno.EPERM, "no links here")


@pytest.fixture(params=["linked", "copied"])
def way(request, monkeypatch):
    """With and without a file system that has links."""
    if request.param == "copied":
        monkeypatch.setattr(os, "link", no_links)
    return request.param


def test_plans_are_hits_in_their_order_of_use(tmp_path, way):
    old, new = tmp_path / "old", tmp_path / "new"
    for number in (3, 1, 2):
        fetch(old, number)
    link_plans(old, new)
    labels = [entry.label for entry in EngineCache(new, max_bytes=1, key=None).info().entries]
    assert labels == ["segment 2", "segment 1", "segment 3"]
    assert [fetch(new, number) for number in (1, 2, 3)] == ["hit"] * 3
    linked = {os.path.samefile(path, new / path.name) for path in old.glob("*.plan")}
    assert linked == {way == "linked"}


def test_only_regular_files_with_the_name_of_a_plan(tmp_path, way):
    old, new, secret = tmp_path / "old", tmp_path / "new", tmp_path / "secret"
    old.mkdir()
    secret.write_bytes(b"of somebody else")
    (old / NAMES[0]).write_bytes(b"a plan")
    (old / NAMES[1]).symlink_to(secret)
    os.mkfifo(old / NAMES[2])
    (old / NAMES[3]).mkdir()
    (old / NAMES[3] / NAMES[0]).write_bytes(b"within")
    (old / "sub").symlink_to(tmp_path)
    (old / NAMES[4].replace("plan", "lock")).touch()
    (old / f"{'A' * 64}.plan").touch()
    (old / "folder.lock").touch()
    link_plans(old, new)
    assert {path.name: path.read_bytes() for path in new.iterdir()} == {NAMES[0]: b"a plan"}


@pytest.mark.parametrize("kind", ["link", "file", "nothing", "empty"])
def test_what_is_no_folder_of_plans_is_left_alone(tmp_path, kind):
    other = tmp_path / "of others"
    other.mkdir()
    (other / NAMES[0]).write_bytes(b"a plan")
    source = tmp_path / "old"
    if kind == "link":
        source.symlink_to(other)
    elif kind == "file":
        source.touch()
    elif kind == "empty":
        source.mkdir()
    link_plans(source, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("when", ["before it is looked at", "before it is linked", "before it is copied"])
def test_a_plan_that_is_evicted_meanwhile_is_passed_over(tmp_path, monkeypatch, when):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    for name in NAMES:
        (old / name).write_bytes(name.encode())
    function = {"before it is looked at": "stat", "before it is linked": "link", "before it is copied": "open"}[when]
    real = getattr(os, function)
    if function == "open":
        monkeypatch.setattr(os, "link", no_links)

    def evict_first(name, *given, **named):
        if name == NAMES[2]:
            (old / name).unlink(missing_ok=True)
        return real(name, *given, **named)

    monkeypatch.setattr(os, function, evict_first)
    link_plans(old, new)
    assert sorted(path.name for path in new.iterdir()) == sorted(set(NAMES) - {NAMES[2]})


@pytest.mark.parametrize("linked", [True, False])
def test_a_plan_that_is_exchanged_for_a_link_meanwhile_does_not_come_along(tmp_path, monkeypatch, linked):
    old, new, secret = tmp_path / "old", tmp_path / "new", tmp_path / "secret"
    old.mkdir()
    secret.write_bytes(b"of somebody else")
    (old / NAMES[0]).write_bytes(b"a plan")
    real = os.link

    def exchange_first(name, target, **named):
        (old / name).unlink()
        (old / name).symlink_to(secret)
        if not linked:
            no_links()
        real(name, target, **named)

    monkeypatch.setattr(os, "link", exchange_first)
    link_plans(old, new)
    assert list(new.iterdir()) == []
