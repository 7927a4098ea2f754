"""Batches of any size and kind through the device executor: rows that run, arrays on the device, records."""

from types import SimpleNamespace

import device_networks
import numpy as np
import pytest
from device_networks import cost_table, empty_answers

from eengines.devices.cpu import CpuDevice
from eerun.device_executor import DeviceExecutor
from eerun.executor import ChainExecutor, LoadedChain

BUCKETS = (1, 2, 4, 8)


def scores_of(executor, inputs):
    """What every exit says of at most one batch."""
    return executor.record(inputs)[1]


@pytest.mark.parametrize("device_exits", [False, True])
@pytest.mark.parametrize(("move_ms", "rows"), [(0.0, [8, 4]), (100.0, [8, 8])])
def test_rows_are_moved_or_kept_as_costs_say(device_exits, move_ms, rows):
    network = device_networks.fitted()
    costs = cost_table(3, BUCKETS, move_ms=move_ms)
    executor = DeviceExecutor(network.on(CpuDevice()), costs, device_exits=device_exits)
    inputs = network.draw(8, 3)
    threshold = float(np.sort(scores_of(executor, inputs)[:, 0])[3])
    answers = empty_answers(8, executor.classes)
    (steps,) = executor.infer(inputs, [threshold, float("-inf")], answers)
    assert [step.left for step in steps] == [5, 3]
    assert [step.rows for step in steps] == rows


@pytest.mark.parametrize("device_exits", [False, True])
def test_everybody_leaves_at_the_first_exit(device_exits):
    network = device_networks.branchy()
    executor = DeviceExecutor(network.on(CpuDevice(seed=1)), cost_table(3, BUCKETS), device_exits=device_exits)
    answers = empty_answers(11, executor.classes)
    steps = executor.infer(network.draw(11, 3), [float("-inf"), None], answers)
    assert [[(step.entered, step.left) for step in part] for part in steps] == [[(8, 8)], [(3, 3)]]
    assert (answers.exit_index == 0).all()
    executor.infer(network.draw(11, 3), [None, None], answers)
    assert (answers.exit_index == 2).all(), "nothing of the batch before is left behind"


@pytest.mark.parametrize("device_exits", [False, True])
@pytest.mark.parametrize("count", [0, 1, 3, 17])
def test_one_exit(device_exits, count):
    network = device_networks.random(6, exits=1)
    executor = DeviceExecutor(network.on(CpuDevice(seed=1)), cost_table(1, BUCKETS), device_exits=device_exits)
    answers = empty_answers(count, executor.classes)
    steps = executor.infer(network.draw(count, 3), [], answers)
    assert [step.left for part in steps for step in part] == [8, 8, 1] * (count == 17) + [count] * (count in {1, 3})
    assert (answers.exit_index == 0).all()
    assert np.isfinite(answers.outputs).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [1, 5, 8])
def test_records_are_those_of_the_host(seed, count):
    network = device_networks.random(seed)
    costs = cost_table(3, BUCKETS)
    executor = DeviceExecutor(network.on(CpuDevice(seed=seed)), costs, in_flight=1)
    inputs = network.draw(count, 1)
    executor.infer(inputs, [0.0, 0.0], empty_answers(count, executor.classes))
    expected = ChainExecutor(LoadedChain(network.chain, network.engines()), costs).record(inputs)
    for found, wanted in zip(executor.record(inputs), expected, strict=True):
        assert found.dtype == wanted.dtype
        assert found.tobytes() == wanted.tobytes()


class OwnedDevice(CpuDevice):
    """A device whose arrays have an event, after which their owner is done with them."""

    def view(self, array, stream):
        event = getattr(array, "event", None)
        if event is not None:
            stream.wait_for(event)
        return super().view(array, stream)


def put(device, array, stream):
    """An array on the device; what its owner still does on a stream of its own fills it."""
    staging, memory, event = device.pinned(array.nbytes), device.memory(array.nbytes), device.event()
    staging.array[:] = array.reshape(-1).view(np.uint8)
    memory.array[:] = 255
    device.copy(memory.address, staging.address, array.nbytes, stream)
    event.record(stream)
    interface = {"shape": array.shape, "typestr": array.dtype.str, "data": (memory.address, False), "version": 3}
    return SimpleNamespace(memory=(memory, staging), event=event, __cuda_array_interface__=interface)


@pytest.mark.parametrize("device_exits", [False, True])
@pytest.mark.parametrize("in_flight", [1, 3])
def test_arrays_on_the_device_are_taken_when_their_owner_is_done(device_exits, in_flight):
    network, costs = device_networks.random(2), cost_table(3, BUCKETS)
    inputs = network.draw(19, 4)
    for seed in range(12):
        device = OwnedDevice(seed=seed)
        executor = DeviceExecutor(network.on(device), costs, in_flight=in_flight, device_exits=device_exits)
        expected, found = (empty_answers(19, executor.classes) for _ in range(2))
        thresholds = np.median(scores_of(executor, {k: v[:8] for k, v in inputs.items()}), axis=0)[:-1].tolist()
        executor.infer(inputs, thresholds, expected)

        there = put(device, inputs["x"], device.stream())
        view = executor.view(there)
        assert view.owner is there
        assert executor.view(inputs["mask"]) is None
        executor.infer({"x": view, "mask": inputs["mask"]}, thresholds, found)
        assert found.outputs.tobytes() == expected.outputs.tobytes()
        assert found.exit_index.tolist() == expected.exit_index.tolist()
