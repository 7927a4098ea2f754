"""Who changes a bundle at the same time loses nothing; whether a change will be possible is known before."""

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from bundle_maker import configuration, write

from eengines.errors import BundleError, UserError
from eerun.bundle import PolicyFile, amend_bundle, bundle_lock, check_amendable, open_bundle

NOBODY = 65534


@pytest.fixture
def path(tmp_path):
    write(tmp_path / "m.ee")
    return tmp_path / "m.ee"


def add(path, engine):
    """Add a configuration, taking the time that somebody else needs to come in between."""
    bundle = open_bundle(path)
    entry = configuration(engine=engine, policy=f"policy/{engine}.json", costs=f"costs/{engine}.json")

    def together(manifest):
        time.sleep(0.02)
        return (*manifest.configurations, entry)

    costs = replace(bundle.costs(bundle.manifest.chosen), engine=engine)
    files = {entry.policy: PolicyFile(policy="margin", thresholds=(0.5,)), entry.costs: costs}
    amend_bundle(path, together, files)


def engines(path):
    return {entry.engine for entry in open_bundle(path).manifest.configurations}


def test_threads_and_processes_at_once(path):
    program = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from test_amend_at_once import add
        add(Path("m.ee"), "process")
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], cwd=path.parent)
    threads = [threading.Thread(target=add, args=(path, f"thread{number}")) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert process.wait() == 0
    assert engines(path) == {"onnxruntime", "process", *(f"thread{number}" for number in range(4))}
    open_bundle(path).verify_files()
    assert os.listdir(path.parent) == ["m.ee"]


def test_the_lock_is_waited_for(path):
    thread = threading.Thread(target=add, args=(path, "waiting"))
    with bundle_lock(path):
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        assert engines(path) == {"onnxruntime"}
    thread.join()
    assert engines(path) == {"onnxruntime", "waiting"}


def test_a_crash_releases_the_lock(path):
    child = os.fork()
    if child == 0:
        with bundle_lock(path):
            os._exit(0)  # as a crash: nothing is released
    os.waitpid(child, 0)
    assert (path.parent / ".m.ee.lock").exists()
    add(path, "after")
    assert os.listdir(path.parent) == ["m.ee"]


def test_a_file_system_without_locks_is_said_and_goes_on(path, monkeypatch, caplog):
    def no_locks(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", no_locks)
    add(path, "alone")
    assert "no locks on this file system" in caplog.text
    assert engines(path) == {"onnxruntime", "alone"}


def test_a_bundle_that_was_built_again_without_the_graphs_is_refused(path):
    def of_the_old_one(manifest):
        return (*manifest.configurations, configuration(engine="tensorrt", segments=("a", "b")))

    before = (path / "manifest.json").read_bytes()
    with pytest.raises(BundleError, match="tensorrt-float32 needs a, b, which the bundle does not have"):
        amend_bundle(path, of_the_old_one, {})
    assert (path / "manifest.json").read_bytes() == before
    assert os.listdir(path.parent) == ["m.ee"]


def test_what_is_named_from_within(path, monkeypatch):
    monkeypatch.chdir(path)
    add(Path(), "within")
    assert engines(path) == {"onnxruntime", "within"}
    assert os.listdir(path.parent) == ["m.ee"]


def test_a_link_cannot_be_amended(path):
    link = path.parent / "link.ee"
    link.symlink_to(path)
    with pytest.raises(UserError, match=r"link\.ee: it is a link.* Give the folder that it leads to"):
        check_amendable(link)
    check_amendable(path)


def test_a_mount_cannot_be_amended():
    with pytest.raises(UserError, match="something is mounted there"):
        check_amendable(Path("/proc"))


@pytest.mark.parametrize("which", ["m.ee", "."])
def test_what_cannot_be_written_is_known_before(which):
    parent = Path(tempfile.mkdtemp())
    write(parent / "m.ee")
    (parent / which).chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.chown(parent, NOBODY, -1)
        os.chown(parent / "m.ee", NOBODY, -1)
        os.seteuid(NOBODY)
    try:
        with pytest.raises(UserError, match="Copy the bundle to a place that can be written"):
            check_amendable(parent / "m.ee")
    finally:
        if root:
            os.seteuid(0)
        (parent / which).chmod(0o755)
        shutil.rmtree(parent)
