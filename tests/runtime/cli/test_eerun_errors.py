"""What a shell sees: one line and an exit code for errors of the project, a traceback for defects."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys, typer
from eengines.errors import BundleError, DataError, EngineError, IngestError, UserError
from eerun.cli.errors import run_cli

app = typer.Typer()

@app.command()
def fail(kind: str) -> None:
    if kind == "interrupt":
        raise KeyboardInterrupt
    if kind == "defect":
        raise ValueError("a defect")
    if kind == "nothing":
        return
    raise {c.__name__: c for c in (BundleError, DataError, EngineError, IngestError, UserError)}[kind](
        "file [red]x[/red]", "got 1\\n  expected 2 " + "long " * 60, "Do that"
    )

run_cli(app)
"""


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", *arguments], capture_output=True, text=True, check=False, cwd=cwd)


@pytest.mark.parametrize(
    ("kind", "code"), [("UserError", 2), ("DataError", 2), ("IngestError", 3), ("BundleError", 4), ("EngineError", 5)]
)
def test_an_error_of_the_project_is_one_line_and_its_exit_code(kind: str, code: int):
    ended = run(PROGRAM, kind)
    assert ended.returncode == code
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: file [red]x[/red]: got 1 expected 2 long")
    assert ended.stderr.endswith("long . Do that.\n")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(("kind", "code"), [("nothing", 0), ("interrupt", 130)])
def test_a_quiet_end(kind: str, code: int):
    ended = run(PROGRAM, kind)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert "Traceback" not in ended.stderr


def test_a_defect_keeps_its_traceback():
    ended = run(PROGRAM, "defect")
    assert ended.returncode == 1
    assert "Traceback (most recent call last)" in ended.stderr
    assert ended.stderr.endswith("ValueError: a defect\n")


def test_eerun_in_a_folder_without_a_bundle(tmp_path: Path):
    ended = run("from eerun.cli.main import main; main()", "bench", cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ")
    assert "no bundle (a folder *.ee) in it" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_version_and_help_load_no_engine():
    code = (
        "import sys\nfrom eerun.cli.main import main\n"
        "try:\n    main()\nfinally:\n"
        "    heavy = {'torch', 'onnx', 'onnxruntime'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    version, text = run(code, "--version"), run(code, "--help")
    assert (version.returncode, version.stdout.split()[0]) == (0, "eerun")
    assert text.returncode == 0
    assert "bench" in text.stdout
    assert "run" in text.stdout
