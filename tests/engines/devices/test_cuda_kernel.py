"""Launches of kernels, on an emulated driver whose kernels are the programs' references."""

import ctypes

import numpy as np
import pytest
from emulated_cuda import Emulator

from eengines.device import Program
from eengines.devices.cuda import open_cuda_device
from eengines.errors import EngineError

EMULATED_CUDA = {"EMULATOR_CAPABILITY": "90"}

SOURCE = """
extern "C" __global__ void NAME(unsigned long long target, unsigned long long value, unsigned long long extra) {
    unsigned long long *array = reinterpret_cast<unsigned long long *>(target);
    array[0] = value, array[1] = extra;
}
"""


def write(arguments, _):
    target, value, extra = arguments
    array = (ctypes.c_uint64 * 2).from_address(target)
    array[0], array[1] = value, extra


def program(name):
    return Program(name=name, source=SOURCE, defines=(f"NAME={name}",), reference=write)


@pytest.mark.parametrize("value", [0, 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1, -1])
@pytest.mark.parametrize("captured", [True, False])
def test_arguments_are_64_bits(value, captured):
    device, emulator = open_cuda_device(), Emulator()
    emulator.kernel("write", 3, write)
    with device.use():
        kernel, stream, memory = device.kernel(program("write")), device.stream(), device.pinned(16)

        def launch(stream):
            kernel.launch(stream, grid=(2, 3), threads=256, arguments=(memory.address, value, 7))

        if captured:
            device.capture(lambda builder: launch(builder.stream)).launch(stream)
        else:
            launch(stream)
        assert not memory.array.any()
        stream.synchronize()
        assert memory.array.view(np.uint64).tolist() == [value % 2**64, 7]


def test_a_program_is_loaded_once():
    device, emulator = open_cuda_device(), Emulator()
    emulator.kernel("once", 3, write)
    with device.use():
        assert device.kernel(program("once")) is device.kernel(program("once"))
        emulator.fail("cuModuleLoadData", 2)
        device.kernel(program("once"))
        with pytest.raises(EngineError, match="loading kernel other failed: CUDA_ERROR_OUT_OF_MEMORY"):
            device.kernel(program("other"))


def test_an_entry_that_is_not_in_the_program_is_told():
    device = open_cuda_device()
    with device.use(), pytest.raises(EngineError, match="finding kernel nowhere failed: CUDA_ERROR_NOT_FOUND"):
        device.kernel(program("nowhere"))


@pytest.mark.parametrize(("grid", "threads"), [((0, 1), 1), ((1, 0), 1), ((1, 1), 0), ((1, 1), 2048)])
def test_a_launch_that_is_refused_says_its_size(grid, threads):
    device, emulator = open_cuda_device(), Emulator()
    emulator.kernel("size", 3, write)
    with device.use():
        kernel, stream = device.kernel(program("size")), device.stream()
        with pytest.raises(EngineError, match="launching kernel size with grid") as caught:
            kernel.launch(stream, grid=grid, threads=threads, arguments=(1, 2, 3))
        assert f"{grid} of {threads} threads failed: CUDA_ERROR_INVALID_VALUE" in str(caught.value)
