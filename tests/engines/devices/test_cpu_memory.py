"""Memory of a CPU device: aligned, zeroed, freed when nobody can touch it any more; arrays of others enter as views."""

import gc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eengines.devices.cpu import CpuDevice
from eengines.devices.cpu_memory import CpuMemory
from eengines.errors import EngineError, InputError


@pytest.fixture
def device():
    return CpuDevice(seed=4)


@given(sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=10))
def test_aligned_zeroed_and_apart(sizes):
    device = CpuDevice()
    blocks = [make(size) for size in sizes for make in (device.memory, device.pinned)]
    for number, block in enumerate(blocks):
        assert block.address % 256 == 0
        assert block.array.shape == (block.nbytes,)
        assert not block.array.any()
        block.array[:] = number + 1
    assert all((block.array == number + 1).all() for number, block in enumerate(blocks))


def test_nothing_is_refused(device):
    with pytest.raises(EngineError, match="got 0 bytes"):
        device.memory(0)


def test_copies_between_addresses(device):
    source, target, stream = device.pinned(8), device.memory(8), device.stream()
    source.array[:] = range(8)
    device.copy(target.address + 4, source.address + 1, 3, stream)
    stream.synchronize()
    assert target.array.tolist() == [0, 0, 0, 0, 1, 2, 3, 0]


class Block:
    """Memory whose end can be watched; an array of numpy cannot."""


@pytest.mark.parametrize("seed", range(8))
def test_freed_memory_stays_while_work_could_touch_it(seed):
    device = CpuDevice(seed=seed)
    stream, block = device.stream(), Block()
    freed = weakref.ref(block)
    gate = device.event()
    device.capture(lambda builder: gate.record(builder.stream))  # it never comes: what follows stays enqueued
    stream.wait_for(gate)
    stream.call(lambda: None)
    device._works.keep(block)
    del block
    device.event().is_done()
    gc.collect()
    assert freed() is not None


@pytest.mark.parametrize("seed", range(8))
def test_freed_memory_goes_when_all_work_is_done(seed):
    device = CpuDevice(seed=seed)
    stream, block = device.stream(), Block()
    freed = weakref.ref(block)
    stream.call(lambda: None)
    device._works.keep(block)
    del block
    stream.synchronize()
    assert freed() is None
    idle = Block()
    gone = weakref.ref(idle)
    device._works.keep(idle)
    del idle
    assert gone() is None, "nothing is enqueued: nothing is kept"


def test_a_copy_from_memory_that_is_let_go_is_right():
    for seed in range(8):
        device = CpuDevice(seed=seed)
        stream, target = device.stream(), device.memory(64)
        source = device.memory(64)
        source.array[:] = 7
        device.copy(target.address, source.address, 64, stream)
        del source
        spoilers = [CpuMemory(device._works, 64) for _ in range(4)]
        for spoiler in spoilers:
            spoiler.array[:] = 9
        stream.synchronize()
        assert (target.array == 7).all()


def interface(array, **changes):
    return SimpleNamespace(
        owner=array,
        __cuda_array_interface__={
            "shape": array.shape,
            "typestr": array.dtype.str,
            "data": (array.ctypes.data, False),
            "strides": None,
            "version": 3,
        }
        | changes,
    )


def test_arrays_of_others(device):
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    given_array = interface(array, strides=array.strides)
    view = device.view(given_array, device.stream())
    assert (view.address, view.dtype, view.shape) == (array.ctypes.data, "float32", (3, 4))
    assert view.owner is given_array
    assert device.view(interface(array[:1], strides=(99, 4)), device.stream()).shape == (1, 4), "one row has no stride"
    assert device.view(interface(array[:0], strides=(99, 9)), device.stream()).shape == (0, 4)
    assert device.view(array, device.stream()) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strides": (4, 12)}, r"strides \[4, 12\], expected \[16, 4\]"),
        ({"strides": (32, 4)}, "Make it contiguous"),
        ({"mask": object()}, "with a mask"),
        ({"typestr": ">f4"}, "byte order"),
    ],
)
def test_arrays_that_cannot_be_taken_as_they_are(device, changes, words):
    with pytest.raises(InputError, match=words):
        device.view(interface(np.zeros((3, 4), np.float32), **changes), device.stream())
