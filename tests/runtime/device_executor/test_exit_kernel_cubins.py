"""The exit kernel compiles for every GPU that a network can be compiled for, with few registers; no GPU is needed."""

import re
import subprocess
from pathlib import Path

import pytest
from required import require_module

from eengines.targets import TARGETS
from eerun.device_executor.leave_and_compact import MAX_THREADS, exit_program

require_module("cuda.bindings.nvrtc", "cuda-bindings is not installed: pip install 'eecompile[cuda]'")

ROOT = Path(__file__).resolve().parents[3]
LISTED = {target.sm for target in TARGETS.values() if target.compute_capability}
FOUND = ("spill stores", "spill loads", "registers", "bytes smem")
MOST_REGISTERS = {1: 48, 4: 48, 8: 48, 32: 64}
"""By images a row. A multiprocessor of 65,536 registers holds ten blocks of 128 threads with 48, eight with 64."""


def compile_verbosely(program, architecture):
    """The cubin, and what ptxas says about it."""
    from cuda.bindings import nvrtc

    def checked(result, *values):
        assert result == nvrtc.nvrtcResult.NVRTC_SUCCESS
        return values[0] if values else None

    made = checked(*nvrtc.nvrtcCreateProgram(program.source.encode(), b"kernel.cu", 0, [], []))
    options = [f"--gpu-architecture={architecture}", "--std=c++17", "--ptxas-options=-v"]
    options += [f"--define-macro={define}" for define in program.defines]
    checked(*nvrtc.nvrtcCompileProgram(made, len(options), [option.encode() for option in options]))
    log = b" " * checked(*nvrtc.nvrtcGetProgramLogSize(made))
    checked(*nvrtc.nvrtcGetProgramLog(made, log))
    cubin = b" " * checked(*nvrtc.nvrtcGetCUBINSize(made))
    checked(*nvrtc.nvrtcGetCUBIN(made, cubin))
    checked(*nvrtc.nvrtcDestroyProgram(made))
    return cubin, log.decode()


@pytest.mark.parametrize("architecture", sorted(LISTED | {"sm_61"}))
@pytest.mark.parametrize("with_selector", [False, True])
@pytest.mark.parametrize("fold", MOST_REGISTERS)
def test_resources(architecture, with_selector, fold):
    kernel = exit_program(with_selector=with_selector, fold=fold)
    cubin, words = compile_verbosely(kernel, architecture)
    used = {what: int(re.search(rf"(\d+) (?:bytes )?{what.removeprefix('bytes ')}", words)[1]) for what in FOUND}
    assert used["spill stores"] == used["spill loads"] == 0
    assert used["registers"] <= MOST_REGISTERS[fold]
    assert 4 * MAX_THREADS <= used["bytes smem"] <= 4 * MAX_THREADS + 16
    assert "stack frame" not in words or " 0 bytes stack frame" in words
    assert cubin[:4] == b"\x7fELF"
    assert kernel.name.encode() in cubin
    assert (b"cudaGraphSetConditional" in cubin) == with_selector


def test_the_script_compiles_all(tmp_path):
    done = subprocess.run([ROOT / "scripts" / "compile-kernels", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = {f"leave_and_compact{kind}.{sm}.cubin" for kind in ("", "-selector") for sm in LISTED}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert all(path.read_bytes()[:4] == b"\x7fELF" for path in tmp_path.iterdir())


def test_the_script_wants_a_folder():
    done = subprocess.run([ROOT / "scripts" / "compile-kernels"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "FOLDER" in done.stderr
