"""The hot path of the device executor: nothing is reserved, the host waits once an exit, batches overlap."""

import gc
import weakref
from collections import Counter

import device_networks
import numpy as np
import pytest
from device_networks import cost_table, empty_answers

from eengines.devices.cpu import CpuDevice
from eengines.devices.cpu_graph import CpuGraph
from eengines.devices.cpu_stream import CpuEvent, CpuStream
from eerun.device_executor import DeviceExecutor

BUCKETS = (1, 2, 4, 8)
MAKERS = ("memory", "pinned", "stream", "event", "capture", "kernel")


class CountingDevice(CpuDevice):
    """Counts what is made, and knows all memory."""

    def __init__(self, *, seed=0):
        super().__init__(seed=seed)
        self.made, self.blocks = Counter(), []


def _counting(name):
    def make(self, *arguments, **options):
        self.made[name] += 1
        thing = getattr(CpuDevice, name)(self, *arguments, **options)
        if name in {"memory", "pinned"}:
            self.blocks.append(weakref.ref(thing))
        return thing

    return make


for _name in MAKERS:
    setattr(CountingDevice, _name, _counting(_name))


@pytest.fixture
def calls(monkeypatch):
    """Waits, synchronisations and launches, in order, while the real ones run."""
    seen = []
    for kind, method in ((CpuEvent, "wait"), (CpuStream, "synchronize"), (CpuGraph, "launch")):
        real = getattr(kind, method)

        def spy(self, *arguments, real=real, method=method):
            seen.append(method)
            return real(self, *arguments)

        monkeypatch.setattr(kind, method, spy)
    return seen


def middle_thresholds(executor, inputs):
    """About half of the samples leave at each exit."""
    _, scores = executor.record({name: array[: executor.max_batch] for name, array in inputs.items()})
    return [float(np.median(column)) for column in scores.T[:-1]]


@pytest.mark.parametrize("device_exits", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_reserved_and_the_host_waits_once_an_exit(calls, device_exits, seed):
    network, device = device_networks.branchy(), CountingDevice(seed=seed)
    executor = DeviceExecutor(network.on(device), cost_table(3, BUCKETS), device_exits=device_exits)
    inputs = network.draw(29, 3)
    thresholds = middle_thresholds(executor, inputs)
    answers = empty_answers(29, executor.classes)
    for _ in range(2):
        device.made.clear()
        calls.clear()
        steps = executor.infer(inputs, thresholds, answers)

        assert device.made == {}
        exits = sum(len(part) for part in steps)
        assert exits > len(steps) > 1
        expected = len(steps) if device_exits else exits
        assert Counter(calls) == {"wait": expected, "launch": expected}


@pytest.mark.parametrize("in_flight", [1, 2, 3])
def test_so_many_batches_are_under_way_before_the_host_waits(calls, in_flight):
    network = device_networks.branchy()
    executor = DeviceExecutor(network.on(CpuDevice()), cost_table(3, BUCKETS), in_flight=in_flight)
    calls.clear()
    executor.infer(network.draw(32, 3), [None, None], empty_answers(32, executor.classes))
    assert calls[: in_flight + 1] == ["launch"] * in_flight + ["wait"]


@pytest.mark.parametrize("device_exits", [False, True])
def test_memory_goes_with_the_executor_without_a_search_for_cycles(device_exits):
    network, device = device_networks.branchy(), CountingDevice()
    executor = DeviceExecutor(network.on(device), cost_table(3, BUCKETS), device_exits=device_exits)
    executor.infer(network.draw(9, 3), [0.5, None], empty_answers(9, executor.classes))
    assert sum(block() is not None for block in device.blocks) > 20
    gc.collect()
    gc.disable()
    try:
        del executor
        assert not [block for block in device.blocks if block() is not None]
    finally:
        gc.enable()


def test_two_slots_take_twice_the_memory_of_one():
    network, reserved = device_networks.branchy(), {}
    for in_flight in (1, 2, 3):
        device = CountingDevice()
        executor = DeviceExecutor(network.on(device), cost_table(3, BUCKETS), in_flight=in_flight)
        reserved[in_flight] = sum(block().nbytes for block in device.blocks if block() is not None)
        assert executor.max_batch == BUCKETS[-1]
    slot = reserved[2] - reserved[1]
    assert reserved[3] - reserved[2] == slot
    assert slot > 0.9 * reserved[1]


@pytest.mark.parametrize("device_exits", [False, True])
def test_times_of_steps(device_exits):
    network = device_networks.branchy()
    executor = DeviceExecutor(network.on(CpuDevice()), cost_table(3, BUCKETS), device_exits=device_exits)
    inputs = network.draw(8, 3)
    (steps,) = executor.infer(inputs, middle_thresholds(executor, inputs), empty_answers(8, executor.classes))

    answered = [step.answered_ns for step in steps]
    assert len(steps) == 3
    if device_exits:
        assert [step.run_ns > 0 for step in steps] == [False, False, True]
        assert len(set(answered)) == 1
        assert all(step.boundary_ns == 0 for step in steps)
    else:
        assert all(step.run_ns > 0 and step.boundary_ns > 0 for step in steps)
        assert answered == sorted(set(answered))
