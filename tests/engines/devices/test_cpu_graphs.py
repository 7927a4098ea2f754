"""Graphs of a CPU device: what is recorded does not run, runs at each launch, and switches choose."""

import numpy as np
import pytest

from eengines.device import Program
from eengines.devices.cpu import CpuDevice
from eengines.errors import EngineError

SEEDS = range(6)


def choose(arguments, select):
    """A kernel that sets a selector to the number at an address, unless it is negative."""
    import ctypes

    address, selector = arguments
    value = ctypes.c_int64.from_address(address).value
    if value >= 0:
        select(selector, value)


CHOOSE = Program(name="choose", source="", defines=(), reference=choose)


@pytest.mark.parametrize("seed", SEEDS)
def test_recorded_work_runs_at_each_launch_and_not_before(seed):
    device = CpuDevice(seed=seed)
    source, target, stream = device.pinned(1), device.memory(1), device.stream()
    graph = device.capture(lambda builder: device.copy(target.address, source.address, 1, builder.stream))
    source.array[0] = 1
    stream.synchronize()
    assert target.array[0] == 0
    for value in (5, 6):
        source.array[0] = value
        graph.launch(stream)
        stream.synchronize()
        assert target.array[0] == value


@pytest.mark.parametrize("seed", SEEDS)
def test_graphs_are_in_the_order_of_the_stream(seed):
    device, taken = CpuDevice(seed=seed), []
    stream = device.stream()
    graph = device.capture(lambda builder: [builder.stream.call(lambda i=i: taken.append(i)) for i in range(3)])
    stream.call(lambda: taken.append("before"))
    graph.launch(stream)
    stream.call(lambda: taken.append("after"))
    stream.synchronize()
    assert taken == ["before", 0, 1, 2, "after"]


def switched(device, taken):
    """A graph: a kernel sets the selector to the number in memory, two bodies, and something behind them."""
    number = device.memory(8)

    def record(builder):
        selector = builder.selector()
        device.kernel(CHOOSE).launch(builder.stream, grid=(1, 1), threads=1, arguments=(number.address, selector))
        builder.switch(
            selector,
            [lambda stream, i=i: stream.call(lambda: taken.append(i)) for i in range(2)],
        )
        builder.stream.call(lambda: taken.append("end"))

    return device.capture(record), number, number.array.view(np.int64)


@pytest.mark.parametrize(("value", "expected"), [(0, [0, "end"]), (1, [1, "end"]), (2, ["end"]), (77, ["end"])])
def test_a_switch_runs_the_body_of_the_number(value, expected):
    device, taken = CpuDevice(), []
    graph, memory, number = switched(device, taken)
    number[0] = value
    stream = device.stream()
    graph.launch(stream)
    stream.synchronize()
    assert taken == expected
    assert memory.nbytes == 8


def test_a_selector_is_0_again_at_each_launch():
    device, taken = CpuDevice(), []
    graph, memory, number = switched(device, taken)
    stream = device.stream()
    for value in (1, -1):
        number[0] = value
        graph.launch(stream)
        stream.synchronize()
    assert taken == [1, "end", 0, "end"]
    assert memory.nbytes == 8


def test_selectors_of_graphs_are_apart():
    device = CpuDevice()
    handles = []
    for _ in range(2):
        device.capture(lambda builder: handles.extend(builder.selector() for _ in range(2)))
    assert len(set(handles)) == 4


def test_what_a_graph_cannot_hold_is_refused():
    device = CpuDevice()
    with pytest.raises(EngineError, match="a wait of the host while capturing"):
        device.capture(lambda builder: builder.stream.synchronize())
    with pytest.raises(EngineError, match="expected work of one stream"):
        device.capture(lambda builder: builder.stream.wait_for(device.event()))


def test_a_capture_that_fails_leaves_the_device_usable():
    device, taken = CpuDevice(), []

    def record(builder):
        builder.stream.call(lambda: taken.append("never"))
        raise EngineError("session", "it refuses", "Mend it")

    with pytest.raises(EngineError, match="it refuses"):
        device.capture(record)
    stream = device.stream()
    stream.call(lambda: taken.append("later"))
    stream.synchronize()
    assert taken == ["later"]
    assert device.probe_switch().ok
