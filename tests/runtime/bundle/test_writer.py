"""A build that is interrupted leaves the old bundle whole, and nothing else."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from bundle_maker import manifest, write

from eengines.errors import UserError
from eerun.bundle import BundleWriter, open_bundle

HERE = str(Path(__file__).parent)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_second_build_replaces_the_first(tmp_path):
    write(tmp_path / "model.ee", content=b"old")
    write(tmp_path / "model.ee", content=b"new")
    opened = open_bundle(tmp_path / "model.ee")
    opened.verify_files()
    assert opened.read("segments/0.onnx").startswith(b"new")
    assert names(tmp_path) == ["model.ee"]


def test_an_error_in_the_middle_leaves_the_old_bundle(tmp_path):
    write(tmp_path / "model.ee", content=b"old")

    def interrupted() -> None:
        with BundleWriter(tmp_path / "model.ee") as writer:
            writer.add("segments/0.onnx", b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    open_bundle(tmp_path / "model.ee").verify_files()
    assert names(tmp_path) == ["model.ee"]


def test_a_killed_build_leaves_the_old_bundle_and_the_next_one_cleans_up(tmp_path):
    write(tmp_path / "model.ee", content=b"old")
    program = f"""
        import sys, time
        sys.path.insert(0, {HERE!r})
        from pathlib import Path
        from eerun.bundle import BundleWriter
        with BundleWriter(Path("model.ee")) as writer:
            writer.add("segments/0.onnx", b"new")
            print("ready", flush=True)
            time.sleep(60)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    opened = open_bundle(tmp_path / "model.ee")
    opened.verify_files()
    assert opened.read("segments/0.onnx").startswith(b"old")
    assert len(names(tmp_path)) == 2
    write(tmp_path / "model.ee", content=b"new")
    assert names(tmp_path) == ["model.ee"]


def test_a_reader_sees_the_old_or_the_new_bundle_at_any_time(tmp_path):
    write(tmp_path / "model.ee", content=b"old")
    reader = os.fork()
    if reader == 0:
        deadline = time.perf_counter() + 1.0
        try:
            while time.perf_counter() < deadline:
                open_bundle(tmp_path / "model.ee")
        finally:
            os._exit(0 if time.perf_counter() >= deadline else 1)
    for round_ in range(20):
        write(tmp_path / "model.ee", content=f"{round_}".encode())
    _, status = os.waitpid(reader, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_folder_that_is_no_bundle_is_not_replaced(tmp_path):
    (tmp_path / "model.ee").mkdir()
    (tmp_path / "model.ee" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="exists and is not a bundle"):
        BundleWriter(tmp_path / "model.ee")
    assert (tmp_path / "model.ee" / "thesis.txt").read_text() == "years of work"


def test_the_manifest_lists_what_was_written(tmp_path):
    write(tmp_path / "model.ee")
    files = open_bundle(tmp_path / "model.ee").manifest.files
    assert sorted(files) == sorted(
        p.relative_to(tmp_path / "model.ee").as_posix()
        for p in (tmp_path / "model.ee").rglob("*")
        if p.is_file() and p.name != "manifest.json"
    )
    assert manifest().files == {}
