"""What the README shows works as it is typed, and its links lead somewhere."""

import re
import shlex
import shutil
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch
from served_process import served_process
from typed_commands import shown_commands, typed

import eerun
from eecompile.zoo import lookup

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = [line.strip() for line in README.splitlines() if line.startswith("    ee")]
DEMO = shown_commands((ROOT / "scripts" / "demo").read_text())
SHORTER = {
    "eecompile build": "--measure-seconds 0.1 --buckets 1,32",
    "eecompile build --fold": "--measure-seconds 0.1 --buckets 4,32 --fold-epochs 10",
    "eecompile attach --data": "--epochs 2",
    "eecompile refresh": "--epochs 2",
    "eecompile tune": "--measure-seconds 0.1",
    "eerun bench": "--duration 0.3 --warm-up 0",
    "eerun bench --scenario": "--duration 1 --min-queries 20",
}
"""Added to commands that train or measure. Those of the demo run without."""


def test_the_demo_runs_the_commands_that_the_readme_shows():
    assert "\nscripts/setup\n" in (ROOT / "scripts" / "demo").read_text()
    assert [command.split()[1] for command in DEMO] == ["train.py", "attach", "build", "bench"]
    assert shown_commands(README)[:4] == DEMO
    example = shown_commands((ROOT / "examples" / "digits" / "README.md").read_text())
    assert example[: len(DEMO)] == DEMO
    assert set(example) - set(DEMO) <= set(COMMANDS)
    assert "pytest" in (ROOT / "scripts" / "test").read_text()


def test_commands_were_found():
    assert len(COMMANDS) == 24


@pytest.fixture(scope="module")
def folder(example_bundle, tmp_path_factory) -> Path:
    """A folder with the networks, data and bundle of the example under the names that the README uses."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("backbone.pt", "model.pt", "model.npz"):
        shutil.copy(example_bundle.parent / name, folder)
    shutil.copy(folder / "model.npz", folder / "data.npz")
    shutil.copy(folder / "model.npz", folder / "new.npz")
    with np.load(folder / "model.npz") as data:
        np.savez(folder / "recent.npz", x=data["x_test"], y=data["y_test"])
    shutil.copytree(example_bundle, folder / "model.ee")
    package = folder / "my"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "package.py").write_text("from eecompile.zoo.residual_cnn import residual_cnn as make\n")
    return folder


def test_the_commands_of_the_demo_run(example_output):
    assert [*example_output] == [command.split()[1] for command in DEMO]
    assert "PASSED" in example_output["build"]


def shorter(command: str) -> str:
    """The command with what is added to the last of its kind."""
    added = [more for kind, more in SHORTER.items() if set(kind.split()) <= set(command.split())]
    return " ".join([command, *added[-1:]])


def test_commands_run_in_order(folder, command_environment):
    """One test: a command may need what one before it wrote, or the server that one before it started."""
    shown, address = {}, ""
    with ExitStack() as stack:
        for command in (command for command in COMMANDS if command not in DEMO):
            if command.startswith("eerun serve"):
                bundle = folder / shlex.split(command)[2]
                server = stack.enter_context(served_process(str(bundle), "--grpc-port", "0"))
                shown[command], address = server.lines[0], server.url
            else:
                here = shorter(command).replace("http://localhost:8000", address)
                shown[command] = typed(here, folder, command_environment)
    assert len(shown) == len(COMMANDS) - len(DEMO) + 1  # train.py is no command of ours
    assert all(shown.values())


def test_the_page_on_heads_lists_taps(tmp_path, command_environment):
    page = (ROOT / "docs" / "heads.md").read_text()
    (command,) = [line for line in shown_commands(page) if "--list-taps" in line]
    torch.save(lookup("resnet18")(classes=10).state_dict(), tmp_path / "w.pt")
    assert "whole trunk" in typed(command, tmp_path, command_environment)


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
