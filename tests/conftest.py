"""What several parts of the suite share: a three-exit network and the digits example, each trained and built once."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typed_commands import shown_commands, typed

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def home_is_left_alone(tmp_path_factory) -> Iterator[None]:
    """Keys and plans of the tests, and of the programs that they start, are not written to this user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("configuration")))
        patch.setenv("EECOMPILE_CACHE", str(tmp_path_factory.mktemp("plans")))
        yield


@pytest.fixture(scope="session")
def command_environment() -> dict[str, str]:
    """The environment of a user who has activated the virtual environment."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "120"}


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory) -> Path:
    """`model.pt`, a small network with three exits, trained on digits, and `model.npz`, the data."""
    from three_exit_digits import write_three_exit_digits

    folder = tmp_path_factory.mktemp("three_exits") / "digits"
    folder.mkdir()
    write_three_exit_digits(folder)
    return folder


@pytest.fixture(scope="session")
def digits_bundle(digits_folder, command_environment) -> Path:
    """The bundle of that network, beside it."""
    assert "PASSED" in typed("eecompile build model.pt", digits_folder, command_environment)
    return digits_folder / "model.ee"


@pytest.fixture(scope="session")
def example_folder(tmp_path_factory) -> Path:
    """A copy of examples/digits, with what git has of it."""
    folder = tmp_path_factory.mktemp("examples") / "digits"
    shutil.copytree(ROOT / "examples" / "digits", folder, ignore=shutil.ignore_patterns("model.*", "backbone.*"))
    return folder


@pytest.fixture(scope="session")
def example_output(example_folder, command_environment) -> dict[str, str]:
    """What each command of `scripts/demo` prints there, run once, in order."""
    commands = shown_commands((ROOT / "scripts" / "demo").read_text())
    return {command.split()[1]: typed(command, example_folder, command_environment) for command in commands}


@pytest.fixture(scope="session")
def example_bundle(example_folder, example_output) -> Path:
    """The bundle of the example, beside its networks and data."""
    assert "PASSED" in example_output["build"]
    return example_folder / "model.ee"
