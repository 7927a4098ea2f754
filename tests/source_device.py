"""A CPU device on which the exit kernel is the real CUDA source, compiled by g++."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernel_on_cpu import KernelOnCpu

from eengines.device import Program, Stream
from eengines.devices.cpu import CpuDevice
from eengines.devices.cpu_stream import own_stream


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceKernel:
    """The real source, run with the grid and the threads that it is launched with."""

    kernel: KernelOnCpu
    select: Callable[[int, int], None]
    seed: int

    def launch(self, stream: Stream, *, grid: tuple[int, int], threads: int, arguments: Sequence[int]) -> None:
        """See `Kernel.launch`."""

        def run() -> None:
            for handle, value in self.kernel.launch(arguments, grid=grid, threads=threads, at_once=2, seed=self.seed):
                self.select(handle, value)

        own_stream(stream).call(run)


class SourceDevice(CpuDevice):
    """A CPU device that runs the kernel's CUDA source instead of its reference."""

    def __init__(self, folder: Path, *, seed: int) -> None:
        super().__init__(seed=seed)
        self._folder, self._seed = folder, seed

    def kernel(self, program: Program) -> SourceKernel:
        """See `Device.kernel`."""
        defines = dict(define.split("=") for define in program.defines)
        with_selector, fold = "WITH_SELECTOR" in defines, int(defines.get("FOLD", 1))
        compiled = KernelOnCpu(self._folder, with_selector=with_selector, fold=fold)
        return SourceKernel(kernel=compiled, select=self._selectors.set, seed=self._seed)
