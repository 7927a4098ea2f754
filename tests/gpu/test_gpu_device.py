"""The device itself: memory, copies, order, events, graphs, switches, and that it leaves the process as it found it."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest

from eengines.device import Program
from eengines.devices.nvml import open_monitor
from eengines.errors import EngineError

LARGE = 2**26


def put(arguments, select) -> None:
    ctypes.c_uint64.from_address(arguments[0]).value = arguments[1]


def choose(arguments, select) -> None:
    select(*arguments)


PUT = Program(
    name="put",
    source='extern "C" __global__ void put(unsigned long long* target, unsigned long long value) { *target = value; }',
    defines=(),
    reference=put,
)
CHOOSE = Program(
    name="choose",
    source='extern "C" __device__ __cudart_builtin__ void cudaGraphSetConditional(unsigned long long, unsigned int);\n'
    'extern "C" __global__ void choose(unsigned long long selector, unsigned long long value) {\n'
    "    cudaGraphSetConditional(selector, (unsigned int)value);\n}",
    defines=(),
    reference=choose,
)

FORKED = """
import os
from eengines.devices.cuda import open_cuda_device
from eengines.errors import EngineError
device = open_cuda_device()
with device.use():
    stream, memory = device.stream(), device.memory(64)
child = os.fork()
if child == 0:
    try:
        device.use()
    except EngineError as error:
        os._exit(7 if "fork" in error.problem else 8)
    os._exit(9)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
with device.use():
    stream.synchronize()
print("parent goes on")
"""


def test_memory_begins_as_zeros_and_is_aligned(device):
    with device.use():
        stream = device.stream()
        for nbytes in (1, 255, 4096, LARGE):
            memory, pinned = device.memory(nbytes), device.pinned(nbytes)
            pinned.array[:] = 1
            device.copy(pinned.address, memory.address, nbytes, stream)
            stream.synchronize()
            assert memory.address % 256 == 0
            assert not pinned.array.any()


def test_a_copy_there_and_back(device):
    with device.use():
        stream, there, back, memory = device.stream(), device.pinned(LARGE), device.pinned(LARGE), device.memory(LARGE)
        there.array[:] = np.random.default_rng(0).integers(0, 256, LARGE, np.uint8)
        device.copy(memory.address, there.address, LARGE, stream)
        device.copy(back.address, memory.address, LARGE, stream)
        stream.synchronize()
        assert np.array_equal(there.array, back.array)


def test_streams_wait_for_events(device):
    with device.use():
        first, second, event = device.stream(), device.stream(), device.event()
        there, back, memory = device.pinned(LARGE), device.pinned(LARGE), device.memory(LARGE)
        for value in range(1, 6):
            there.array[:] = value
            device.copy(memory.address, there.address, LARGE, first)
            event.record(first)
            second.wait_for(event)
            device.copy(back.address, memory.address, LARGE, second)
            second.synchronize()
            assert (back.array == value).all()


def test_events_tell_when_work_is_done_and_how_long_it_took(device):
    with device.use():
        stream, memory = device.stream(), device.memory(LARGE)
        start, end = device.event(timed=True), device.event(timed=True)
        start.record(stream)
        device.copy(memory.address, memory.address + LARGE // 2, LARGE // 2, stream)
        end.record(stream)
        end.wait()
        assert end.is_done()
        assert end.ms_since(start) > 0


def test_a_graph_does_the_same_again(device):
    with device.use():
        stream, memory, pinned = device.stream(), device.memory(64), device.pinned(64)
        kernel = device.kernel(PUT)

        def record(builder) -> None:
            kernel.launch(builder.stream, grid=(1, 1), threads=1, arguments=(memory.address, 41))
            device.copy(pinned.address, memory.address, 64, builder.stream)

        graph = device.capture(record)
        stream.synchronize()
        assert not pinned.array.any()
        for _ in range(3):
            pinned.array[:] = 0
            graph.launch(stream)
            stream.synchronize()
            assert pinned.array.view(np.uint64)[0] == 41


def test_a_switch_runs_the_chosen_body(device):
    switch = device.probe_switch()
    if not switch.ok:
        pytest.skip(switch.reason)
    with device.use():
        stream, memory, pinned = device.stream(), device.memory(8), device.pinned(8)
        put_kernel, choose_kernel = device.kernel(PUT), device.kernel(CHOOSE)

        def body(value: int):
            return lambda to: put_kernel.launch(to, grid=(1, 1), threads=1, arguments=(memory.address, value))

        def recorded(value: int):
            def record(builder) -> None:
                selector = builder.selector()
                put_kernel.launch(builder.stream, grid=(1, 1), threads=1, arguments=(memory.address, 5))
                choose_kernel.launch(builder.stream, grid=(1, 1), threads=1, arguments=(selector, value))
                builder.switch(selector, [body(100), body(101), body(102)])

            return device.capture(record)

        for value, expected in ((0, 100), (2, 102), (1, 101), (3, 5)):
            recorded(value).launch(stream)
            device.copy(pinned.address, memory.address, 8, stream)
            stream.synchronize()
            assert pinned.array.view(np.uint64)[0] == expected


def test_a_kernel_that_does_not_compile_is_refused(device):
    with device.use(), pytest.raises(EngineError):
        device.kernel(Program(name="bad", source="this is no kernel", defines=(), reference=put))


def test_the_thread_has_the_context_that_it_had(device):
    from cuda.bindings import driver

    before = driver.cuCtxGetCurrent()
    with device.use():
        device.stream().synchronize()
    assert [int(each) for each in driver.cuCtxGetCurrent()] == [int(each) for each in before]


def test_a_fork_is_refused_and_its_parent_goes_on():
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=False, env=os.environ)
    assert done.stdout == "parent goes on\n", done.stderr


def test_the_card_tells_its_clocks(device):
    try:
        monitor = open_monitor(device)
    except EngineError as error:
        pytest.skip(str(error))
    state, first, second = monitor.state(), monitor.reading(), monitor.reading()
    assert state.sm_mhz is None or state.sm_mhz > 0
    assert second.at_ns > first.at_ns
    assert first.energy_mj is None or second.energy_mj >= first.energy_mj
