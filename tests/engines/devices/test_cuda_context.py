"""The thread's stack of contexts is left as it was found, whatever happens in between."""

import threading
from contextlib import contextmanager

import pytest
from emulated_cuda import CONTEXT, Emulator, leaves_nothing

from eengines.devices.cuda import open_cuda_device
from eengines.devices.cuda_driver import bindings, check
from eengines.errors import EngineError

EMULATED_CUDA = {"EMULATOR_DEVICES": "2"}


def current() -> int:
    return int(check(bindings().cuCtxGetCurrent(), "test"))


@contextmanager
def foreign_context(ordinal=0):
    """Somebody else's context on the thread's stack, as pycuda.autoinit leaves it."""
    open_cuda_device()
    context = Emulator().make_context(ordinal)
    depth = Emulator().depth()
    yield context
    assert (current(), Emulator().depth()) == (context, depth)
    check(bindings().cuCtxPopCurrent(), "test")


def test_opening_a_device_takes_no_context():
    device = open_cuda_device(1)
    assert (device.name, device.compute_capability) == ("Emulated GPU 1", (7, 5))
    assert "CUDA 12.9" in device.driver
    before = Emulator().live(CONTEXT)
    with device.use():
        assert Emulator().live(CONTEXT) == before + 1


def test_one_device_an_ordinal():
    assert open_cuda_device(0) is open_cuda_device()
    assert open_cuda_device(0) is not open_cuda_device(1)


@pytest.mark.parametrize("ordinal", [-1, 2])
def test_devices_that_are_not_there_are_refused(ordinal):
    with pytest.raises(EngineError, match=f"got GPU {ordinal}, there are 2: 0 to 1") as caught:
        open_cuda_device(ordinal)
    assert "CUDA_VISIBLE_DEVICES" in caught.value.remedy


def test_nothing_is_left_on_an_empty_stack():
    device = open_cuda_device()
    with device.use():
        assert current() != 0
        assert Emulator().depth() == 1
    assert Emulator().depth() == 0


def test_uses_may_be_nested_and_mixed():
    first, second = open_cuda_device(0), open_cuda_device(1)
    with first.use():
        ours = current()
        with second.use():
            theirs = current()
            assert theirs != ours
            with first.use():
                assert current() == ours
            assert current() == theirs
        assert current() == ours
    assert Emulator().depth() == 0


def test_an_exception_leaves_the_stack_as_it_was():
    device = open_cuda_device()
    with foreign_context(), pytest.raises(ZeroDivisionError), device.use(), device.use():
        raise ZeroDivisionError


def test_somebody_elses_context_is_put_back():
    device = open_cuda_device()
    with foreign_context() as theirs, device.use():
        assert current() != theirs


def test_contexts_that_the_block_leaves_behind_are_taken_off():
    device = open_cuda_device()
    with foreign_context(), device.use():
        Emulator().make_context(0)
        Emulator().make_context(0)


def test_a_context_that_the_block_takes_off_is_put_back():
    device = open_cuda_device()
    with foreign_context(), device.use():
        check(bindings().cuCtxPopCurrent(), "test")
        check(bindings().cuCtxPopCurrent(), "test")


def test_a_library_may_set_another_context_in_the_block():
    device = open_cuda_device()
    with foreign_context() as theirs, device.use():
        check(bindings().cuCtxSetCurrent(theirs), "test")


@leaves_nothing
def test_threads_have_stacks_of_their_own():
    device, barrier, depths, failed = open_cuda_device(), threading.Barrier(2, timeout=20), [], []

    def work(value: int) -> None:
        try:
            for _ in range(50):
                with device.use():
                    stream, host, gpu = device.stream(), device.pinned(64), device.memory(64)
                    barrier.wait()
                    host.array[:] = value
                    device.copy(gpu.address, host.address, 64, stream)
                    stream.synchronize()
                    host.array[:] = 0
                    device.copy(host.address, gpu.address, 64, stream)
                    stream.synchronize()
                    assert host.array.tolist() == [value] * 64
                depths.append(Emulator().depth())
        except (EngineError, AssertionError, threading.BrokenBarrierError) as error:
            failed.append(error)
            barrier.abort()

    threads = [threading.Thread(target=work, args=(value,)) for value in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert depths == [0] * 100


def test_work_outside_of_use_is_refused():
    device = open_cuda_device()
    with pytest.raises(EngineError, match="CUDA_ERROR_INVALID_CONTEXT") as caught:
        device.stream()
    assert "with device.use()" in caught.value.remedy


def test_a_driver_that_does_not_tell_where_the_gpu_is_plugged_in():
    with pytest.raises(EngineError, match=r"asking for the GPU's PCI bus failed: .*cuDeviceGetPCIBusId"):
        open_cuda_device().pci_bus_id
