"""Run programs that ask a card through the real pynvml, on a stub of NVIDIA's library, `nvml_stub.c`."""

import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ADDRESS = "0000:65:00.0"
"""The stub's card."""


@cache
def _build(old: bool) -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory()
    command = ["gcc", "-O1", "-shared", "-fPIC", "-Wall", "-Werror", "-Wl,-soname,libnvidia-ml.so.1"]
    target = Path(folder.name) / "libnvidia-ml.so.1"
    subprocess.run([*command, *(["-DOLD"] if old else []), FOLDER / "nvml_stub.c", "-o", target], check=True)
    return folder


def stub_folder(*, old: bool = False) -> str:
    """The folder of the stub, for LD_LIBRARY_PATH; `old`: of a driver before release 535."""
    if shutil.which("gcc") is None:
        pytest.skip("the stub of NVML needs gcc")
    pytest.importorskip("pynvml", reason="needs nvidia-ml-py")
    return _build(old).name


def run_on_stub(program: str, *arguments: str, old: bool = False, **settings: str) -> str:
    """What a Python program prints on the stub."""
    path = os.pathsep.join(filter(None, [stub_folder(old=old), os.environ.get("LD_LIBRARY_PATH")]))
    environment = {**os.environ, "LD_LIBRARY_PATH": path, "PYTHONPATH": str(FOLDER), **settings}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
