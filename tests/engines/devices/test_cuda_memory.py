"""Memory of the GPU and pinned memory, on an emulated driver."""

import gc
import os
import threading

import numpy as np
import pytest
from emulated_cuda import MEMORY, PINNED, Emulator, leaves_nothing

from eengines.devices.cuda import open_cuda_device
from eengines.errors import EngineError

EMULATED_CUDA: dict[str, str] = {}


def read(device, memory):
    stream, host = device.stream(), device.pinned(memory.nbytes)
    device.copy(host.address, memory.address, memory.nbytes, stream)
    stream.synchronize()
    return host.array.copy()


@pytest.mark.parametrize("nbytes", [1, 255, 256, 100_000])
def test_memory_is_aligned_and_zero(nbytes):
    device = open_cuda_device()
    with device.use():
        for memory in (device.memory(nbytes), device.pinned(nbytes)):
            assert memory.nbytes == nbytes
            assert memory.address % 256 == 0
            assert not read(device, memory).any()


def test_the_host_and_the_gpu_see_the_same_pinned_bytes():
    device = open_cuda_device()
    with device.use():
        pinned = device.pinned(16)
        assert (pinned.array.dtype, pinned.array.shape) == (np.uint8, (16,))
        pinned.array[3] = 9
        assert read(device, pinned).tolist() == [0, 0, 0, 9, *[0] * 12]


def test_memory_is_freed_with_its_object():
    device, emulator = open_cuda_device(), Emulator()
    with device.use():
        before = emulator.live(MEMORY), emulator.live(PINNED)
        memory, pinned = device.memory(8), device.pinned(8)
        assert (emulator.live(MEMORY), emulator.live(PINNED)) == (before[0] + 1, before[1] + 1)
    del memory, pinned  # outside of `use`
    assert (emulator.live(MEMORY), emulator.live(PINNED)) == before
    assert emulator.depth() == 0


@pytest.mark.parametrize("kind", ["memory", "pinned"])
def test_freed_memory_waits_for_work_that_is_enqueued(kind):
    device = open_cuda_device()
    with device.use():
        first, second = device.stream(), device.stream()
        source, target = getattr(device, kind)(8), device.memory(8)
        device.copy(target.address, source.address, 8, first)
        device.copy(source.address, target.address, 8, second)
        del source
        device.memory(8)  # waits for what is being freed
        first.synchronize()  # had the bytes been freed before, this would be an illegal address
        second.synchronize()


def test_work_of_a_stream_that_is_gone_is_waited_for_too():
    device = open_cuda_device()
    with device.use():
        stream, source, target = device.stream(), device.memory(8), device.memory(8)
        device.copy(target.address, source.address, 8, stream)
        del stream, source
        assert not read(device, target).any()


def test_an_array_keeps_pinned_bytes():
    device, emulator = open_cuda_device(), Emulator()
    with device.use():
        before = emulator.live(PINNED)
        view = device.pinned(16).array[4:8].view(np.uint32)
        gc.collect()
        assert emulator.live(PINNED) == before + 1
        view[0] = 5
        del view
        assert emulator.live(PINNED) == before


def test_memory_may_be_freed_by_another_thread():
    device, emulator = open_cuda_device(), Emulator()
    with device.use():
        before = emulator.live(MEMORY)
        kept = [device.memory(8)]
    thread = threading.Thread(target=kept.clear)
    thread.start()
    thread.join()
    assert emulator.live(MEMORY) == before


@pytest.mark.parametrize("nbytes", [0, -1])
@pytest.mark.parametrize("kind", ["memory", "pinned"])
def test_no_bytes_are_refused(kind, nbytes):
    device = open_cuda_device()
    with device.use(), pytest.raises(EngineError, match=f"got {nbytes} bytes, expected at least 1"):
        getattr(device, kind)(nbytes)


@pytest.mark.parametrize("kind", ["GPU", "pinned"])
def test_a_full_device_is_told(kind):
    device, size = open_cuda_device(), 1 << 50
    expected = f"reserving {size} bytes of {kind} memory failed: CUDA_ERROR_OUT_OF_MEMORY: words of the emulator"
    with device.use(), pytest.raises(EngineError, match=expected) as caught:
        (device.memory if kind == "GPU" else device.pinned)(size)
    assert "use smaller buckets" in caught.value.remedy


@leaves_nothing
@pytest.mark.parametrize(
    ("call", "kind"),
    [("cuMemsetD8Async", "memory"), ("cuStreamSynchronize", "memory"), ("cuMemHostGetDevicePointer", "pinned")],
)
def test_nothing_is_left_when_reserving_fails_half_way(call, kind):
    device, emulator = open_cuda_device(), Emulator()
    with device.use():
        emulator.fail(call, 2)
        with pytest.raises(EngineError, match="CUDA_ERROR_OUT_OF_MEMORY"):
            getattr(device, kind)(8)


def test_copies_outside_of_memory_are_seen_by_the_emulator():
    assert os.environ["EECOMPILE_EMULATED_CUDA"] == "1"
    device, emulator = open_cuda_device(), Emulator()
    with device.use():
        memory, stream = device.memory(8), device.stream()
        device.copy(memory.address, memory.address, 9, stream)
        with pytest.raises(EngineError, match="CUDA_ERROR_ILLEGAL_ADDRESS"):
            stream.synchronize()
        emulator.fail("work", 0)
