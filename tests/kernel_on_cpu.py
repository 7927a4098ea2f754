"""The real CUDA source of the exit kernel, compiled by g++ and run with real threads."""

import ctypes
import subprocess
from collections.abc import Sequence
from pathlib import Path

import eerun.device_executor
from eerun.device_executor.leave_and_compact import exit_program

KERNEL_FOLDER = Path(eerun.device_executor.__file__).parent
CPU_FOLDER = Path(__file__).parent / "runtime" / "device_executor"
COMPILE = ("g++", "-std=c++20", "-g", "-O1", "-pthread", "-Wall", "-Werror", "-fno-strict-aliasing")


class KernelOnCpu:
    """The real source of the kernel, compiled by g++.

    Args:
        folder: for the library.
        with_selector: which of the programs.
        fold: images a row.
    """

    def __init__(self, folder: Path, *, with_selector: bool, fold: int = 1) -> None:
        target = folder / f"leave_and_compact_{with_selector:d}_{fold}.so"
        defines = [f"-D{macro}" for macro in exit_program(with_selector=with_selector, fold=fold).defines]
        source = CPU_FOLDER / "leave_and_compact_on_cpu.cpp"
        subprocess.run([*COMPILE, "-shared", "-fPIC", *defines, f"-I{KERNEL_FOLDER}", source, "-o", target], check=True)
        self._library = ctypes.CDLL(str(target))
        self._launch = self._library.run_leave_and_compact
        self._launch.argtypes = [ctypes.c_uint64] * 2 + [ctypes.c_uint] * 2 + [ctypes.c_int] * 2 + [ctypes.c_uint]

    def launch(
        self, arguments: Sequence[int], *, grid: tuple[int, int], threads: int, at_once: int, seed: int
    ) -> list[tuple[int, int]]:
        """Run a grid, some blocks at once; return the conditional values that it set."""
        uneven = self._launch(*arguments, *grid, threads, at_once, seed)
        assert uneven == 0, f"{uneven} blocks in which not all threads passed the same barriers"
        handle, value = ctypes.c_uint64(), ctypes.c_uint()
        times = self._library.take_selections(ctypes.byref(handle), ctypes.byref(value))
        return [(handle.value, value.value)] * times
