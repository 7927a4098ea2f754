"""What several parts of the suite share: a three-exit network and the digits example, each trained and built once."""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_once import copy_of_what_was_made
from typed_commands import shown_commands, typed

ROOT = Path(__file__).resolve().parents[1]

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores. Set before numpy and torch are imported: their threads would wait for each other's cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


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

    return copy_of_what_was_made("three_exits", write_three_exit_digits, tmp_path_factory)


@pytest.fixture(scope="session")
def digits_bundle(digits_folder, command_environment, tmp_path_factory) -> Path:
    """The bundle of that network, beside it."""

    def make(folder: Path) -> None:
        command = f"eecompile build model.pt --measure-seconds 0.1 -o {shlex.quote(str(folder / 'model.ee'))}"
        assert "PASSED" in typed(command, digits_folder, command_environment)

    built = copy_of_what_was_made("three_exits_bundle", make, tmp_path_factory)
    shutil.move(built / "model.ee", digits_folder)
    return digits_folder / "model.ee"


@pytest.fixture(scope="session")
def example(tmp_path_factory, command_environment) -> Path:
    """A copy of what git has of examples/digits, in which the commands of `scripts/demo` ran once, in order."""

    def make(folder: Path) -> None:
        shutil.copytree(
            ROOT / "examples" / "digits", folder / "digits", ignore=shutil.ignore_patterns("model.*", "backbone.*")
        )
        commands = shown_commands((ROOT / "scripts" / "demo").read_text())
        output = {command.split()[1]: typed(command, folder / "digits", command_environment) for command in commands}
        (folder / "output.json").write_text(json.dumps(output))

    return copy_of_what_was_made("example", make, tmp_path_factory)


@pytest.fixture(scope="session")
def example_folder(example) -> Path:
    """The folder of the example, with its networks and data."""
    return example / "digits"


@pytest.fixture(scope="session")
def example_output(example) -> dict[str, str]:
    """What each command of `scripts/demo` printed there."""
    return json.loads((example / "output.json").read_text())


@pytest.fixture(scope="session")
def example_bundle(example_folder, example_output) -> Path:
    """The bundle of the example, beside its networks and data."""
    assert "PASSED" in example_output["build"]
    return example_folder / "model.ee"
