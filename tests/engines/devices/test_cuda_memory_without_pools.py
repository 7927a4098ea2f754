"""Memory where the driver has no pools, as on some virtual GPUs."""

import pytest
from emulated_cuda import MEMORY, Emulator

from eengines.devices.cuda import open_cuda_device
from eengines.devices.cuda_driver import bindings, check
from eengines.errors import EngineError, InputError

EMULATED_CUDA = {"EMULATOR_POOLS": "0"}


def test_memory_is_zero_and_freed_after_its_work():
    device, emulator = open_cuda_device(), Emulator()
    with device.use():
        stream, before = device.stream(), emulator.live(MEMORY)
        memory, host = device.memory(8), device.pinned(8)
        host.array[:] = 1
        device.copy(host.address, memory.address, 8, stream)
        del memory
        assert host.array.tolist() == [0] * 8  # freeing has waited
        assert emulator.live(MEMORY) == before


def test_a_full_device_is_told():
    device = open_cuda_device()
    with device.use(), pytest.raises(EngineError, match="CUDA_ERROR_OUT_OF_MEMORY"):
        device.memory(1 << 50)


class Array:
    def __init__(self, address):
        data = (address, False)
        self.__cuda_array_interface__ = {"shape": (8,), "typestr": "|u1", "data": data, "version": 3}


def test_arrays_of_another_context_are_refused():
    device, driver = open_cuda_device(), bindings()
    Emulator().make_context(0)  # as pycuda.autoinit does
    array = Array(int(check(driver.cuMemAlloc(8), "test")))
    check(driver.cuCtxPopCurrent(), "test")
    with device.use(), pytest.raises(InputError, match="another CUDA context") as caught:
        device.view(array, device.stream())
    assert "import pycuda.autoprimaryctx in place of pycuda.autoinit" in str(caught.value)


def test_arrays_of_the_primary_context_are_taken():
    device = open_cuda_device()
    with device.use():
        memory = device.memory(8)
        found = device.view(Array(memory.address), device.stream())
    assert found is not None
    assert found.address == memory.address
