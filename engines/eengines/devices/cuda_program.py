"""Kernels: compiled with NVRTC for one architecture, and launched through the driver."""

import ctypes
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

from eengines.device import Program, Stream
from eengines.devices.cuda_context import CudaContext
from eengines.devices.cuda_driver import INSTALL, check
from eengines.errors import EngineError

__all__ = ["CudaKernel", "compile_cubin"]


def compile_cubin(program: Program, architecture: str) -> bytes:
    """Compile a program; needs no driver. The result is kept for the process.

    Args:
        program: what to compile.
        architecture: CUDA's name of it, such as `sm_75`.

    Raises:
        EngineError: NVRTC is missing, does not know the architecture, or refuses the source: its log.
    """
    return _compile(program.name, program.source, program.defines, architecture)


class CudaKernel:
    """See `Kernel`. Its code stays loaded as long as the GPU's context.

    Args:
        context: current in this thread.
        program: what to run.
        architecture: the GPU's.
    """

    def __init__(self, context: CudaContext, program: Program, architecture: str) -> None:
        self._driver = driver = context.driver
        self._name = program.name
        module = check(driver.cuModuleLoadData(compile_cubin(program, architecture)), f"loading kernel {program.name}")
        found = driver.cuModuleGetFunction(module, program.name.encode())
        self._function: Any = check(found, f"finding kernel {program.name}")

    def launch(self, stream: Stream, *, grid: tuple[int, int], threads: int, arguments: Sequence[int]) -> None:
        """See `Kernel.launch`."""
        count, step = len(arguments), ctypes.sizeof(ctypes.c_uint64)
        values = (ctypes.c_uint64 * count)(*arguments)  # the launch copies them
        first = ctypes.addressof(values)
        pointers = (ctypes.c_uint64 * count)(*range(first, first + step * count, step))
        launched = self._driver.cuLaunchKernel(
            self._function, *grid, 1, threads, 1, 1, 0, stream.handle, ctypes.addressof(pointers), 0
        )
        if launched[0]:
            check(launched, f"launching kernel {self._name} with grid {grid} of {threads} threads")


@cache
def _compile(name: str, source: str, defines: tuple[str, ...], architecture: str) -> bytes:
    nvrtc = _nvrtc()
    known = [f"sm_{number}" for number in _check(nvrtc.nvrtcGetSupportedArchs(), "asking for architectures")]
    if architecture not in known:
        raise EngineError(
            f"kernel {name}",
            f"got {architecture}, this NVRTC compiles for {', '.join(known)}",
            f"Choose one of these, or install the NVRTC of CUDA 12.9: {INSTALL}",
        )
    options = [f"--gpu-architecture={architecture}", "--std=c++17", *(f"--define-macro={macro}" for macro in defines)]
    program = _check(nvrtc.nvrtcCreateProgram(source.encode(), f"{name}.cu".encode(), 0, [], []), "reading a source")
    try:
        if nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])[0]:
            log = bytearray(_check(nvrtc.nvrtcGetProgramLogSize(program), "asking for the log"))
            _check(nvrtc.nvrtcGetProgramLog(program, log), "reading the log")
            words = log.rstrip(b"\0\n ").decode(errors="replace")
            raise EngineError(f"kernel {name}", f"NVRTC refuses it for {architecture}: {words}", "Mend the source")
        cubin = bytearray(_check(nvrtc.nvrtcGetCUBINSize(program), "asking for the code"))
        _check(nvrtc.nvrtcGetCUBIN(program, cubin), "reading the code")
        return bytes(cubin)
    finally:
        nvrtc.nvrtcDestroyProgram(program)


@cache
def _nvrtc() -> Any:
    """The module `cuda.bindings.nvrtc`, with its library."""
    try:
        nvrtc = import_module("cuda.bindings.nvrtc")
        nvrtc.nvrtcVersion()
    except (ImportError, RuntimeError) as error:  # RuntimeError: libnvrtc.so.12 is missing
        raise EngineError("CUDA", f"NVRTC is not installed ({error})", INSTALL) from error
    return nvrtc


def _check(result: tuple[Any, ...], doing: str) -> Any:
    """Return the value that a call of NVRTC returned, if any."""
    if result[0]:
        raise EngineError("NVRTC", f"{doing} failed: {result[0].name}", "Restart the process")
    return result[1] if len(result) == 2 else None
