"""What several parts of the suite share: the digits example, trained and built once."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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
def digits_folder(tmp_path_factory, command_environment) -> Path:
    """A copy of examples/digits with the trained model."""
    folder = tmp_path_factory.mktemp("examples") / "digits"
    shutil.copytree(ROOT / "examples" / "digits", folder, ignore=shutil.ignore_patterns("model.*"))
    subprocess.run([sys.executable, "train.py"], cwd=folder, env=command_environment, check=True)
    return folder


@pytest.fixture(scope="session")
def digits_build(digits_folder, command_environment) -> str:
    """What `eecompile build model.pt` prints in that folder."""
    done = subprocess.run(
        ["eecompile", "build", "model.pt", "-v", "--json", "summary.json"],
        cwd=digits_folder,
        env=command_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="session")
def digits_bundle(digits_folder, digits_build) -> Path:
    """The bundle of the digits example, beside its model and data."""
    assert "PASSED" in digits_build
    return digits_folder / "model.ee"
