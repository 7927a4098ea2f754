"""examples/pycuda says in one line what is missing."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from emulated_cuda import environment

from eengines.devices.cuda import probe_cuda

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "pycuda" / "interop.py"

BLOCKED = """
import runpy, sys
sys.modules[sys.argv[2]] = None  # what an import finds where the package is missing
sys.argv = [sys.argv[1], "model.ee", "data.npz", "--library", sys.argv[2]]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(*command: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line


def test_without_a_gpu_it_says_so(tmp_path):
    if probe_cuda().ok:
        pytest.skip("there is a GPU here")
    line = only_line(run(str(EXAMPLE), "model.ee", "data.npz", folder=tmp_path, environment=dict(os.environ)))
    assert line.startswith("no GPU: ")


@pytest.mark.parametrize("library", ["pycuda", "cupy", "torch"])
def test_without_the_library_it_says_so(library, npz):
    done = run("-c", BLOCKED, str(EXAMPLE), library, folder=npz, environment=environment({}))
    assert only_line(done).startswith(f"{library} is not installed: ")


def test_without_data_it_says_so(tmp_path):
    line = only_line(run(str(EXAMPLE), "model.ee", "data.npz", folder=tmp_path, environment=environment({})))
    assert "data.npz" in line


@pytest.fixture
def npz(tmp_path) -> Path:
    """A folder with `data.npz`."""
    np.savez(tmp_path / "data.npz", x=np.zeros((3, 1, 8, 8), np.uint8))
    return tmp_path
