"""What the README shows works as it is typed, and its links lead somewhere."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import eerun

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = [line.strip() for line in README.splitlines() if line.startswith("    ee")]


def test_the_demo_runs_the_commands_that_the_readme_shows():
    demo = (ROOT / "scripts" / "demo").read_text()
    assert "scripts/setup" in demo
    for command in ("python train.py", "eecompile build model.pt", "eerun bench --batch 32"):
        assert f"\n{command}\n" in demo
    assert "pytest" in (ROOT / "scripts" / "test").read_text()


def test_commands_were_found():
    assert len(COMMANDS) == 9


@pytest.fixture(scope="module")
def folder(digits_bundle, tmp_path_factory) -> Path:
    """The example's folder, with the names that the README uses."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("model.pt", "model.npz", "train.py"):
        shutil.copy(digits_bundle.parent / name, folder)
    shutil.copy(folder / "model.npz", folder / "data.npz")
    shutil.copy(folder / "model.npz", folder / "new.npz")
    shutil.copytree(digits_bundle, folder / "model.ee")
    package = folder / "my"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "package.py").write_text("from eecompile.zoo.branchy_cnn import branchy_cnn as make\n")
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run(command, folder, command_environment):
    done = subprocess.run(
        shlex.split(command), cwd=folder, env=command_environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_python_example_runs(digits_bundle, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(digits_bundle.parent)
    names = {"x": np.load("model.npz")["x_test"][:3]}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - the README is ours
    assert isinstance(names["result"], eerun.Result)
    assert len(names["result"].labels) == 3


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda p: p.name)
def test_files_that_a_page_names_exist(page):
    text = page.read_text()
    linked = re.findall(r"\]\(([^)#:]+)\)", text)
    named = re.findall(r"(?:docs|scripts|examples|benchmarks|engines|runtime|calib|eecompile)/[\w/.-]*\w", text)
    for name in linked:
        assert (page.parent / name).exists(), name
    for name in named:
        assert (ROOT / name).exists(), name
