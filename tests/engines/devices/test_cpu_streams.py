"""A CPU device keeps the order of a stream and of events, and no other; whoever forgets a wait sees it."""

import threading

import numpy as np
import pytest

from eengines.device import Program
from eengines.devices.cpu import CpuDevice
from eengines.errors import EngineError

SEEDS = range(24)


def notes(device, streams):
    """Enqueue three notes on each stream; return them as they are taken."""
    taken = []
    for step in range(3):
        for number, stream in enumerate(streams):
            stream.call(lambda note=(number, step): taken.append(note))
    return taken


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stream_runs_in_order(seed):
    device = CpuDevice(seed=seed)
    streams = [device.stream() for _ in range(3)]
    taken = notes(device, streams)
    for stream in streams:
        stream.synchronize()

    assert len(taken) == 9
    for number in range(3):
        assert [step for each, step in taken if each == number] == [0, 1, 2]


def test_streams_are_in_no_order_and_seeds_repeat():
    def order(seed):
        device = CpuDevice(seed=seed)
        streams = [device.stream() for _ in range(3)]
        taken = notes(device, streams)
        for stream in streams:
            stream.synchronize()
        return tuple(taken)

    orders = [order(seed) for seed in SEEDS]
    assert orders == [order(seed) for seed in SEEDS]
    assert len(set(orders)) > len(SEEDS) // 2
    assert {taken[0][0] for taken in orders} == {0, 1, 2}, "any stream may be first"


def test_work_may_be_done_late_or_before_anybody_waits():
    """Both: a host that writes to staging memory too late, or too early, must see it for some seed."""
    done = []
    for seed in SEEDS:
        device, taken = CpuDevice(seed=seed), []
        device.stream().call(lambda taken=taken: taken.append(1))
        done.append(bool(taken))
    assert set(done) == {False, True}


def two_streams(seed, *, with_wait):
    """One stream doubles a number, another adds one to it afterwards; without the wait the order is left to chance."""
    device = CpuDevice(seed=seed)
    memory, event = device.memory(8), device.event()
    first, second = device.stream(), device.stream()
    number = memory.array.view(np.int64)
    number[0] = 10

    def double():
        number[0] *= 2

    def add():
        number[0] += 1

    first.call(double)
    event.record(first)
    if with_wait:
        second.wait_for(event)
    second.call(add)
    second.synchronize()
    first.synchronize()
    return int(number[0])


def test_a_missing_wait_shows():
    assert {two_streams(seed, with_wait=True) for seed in SEEDS} == {21}
    assert {two_streams(seed, with_wait=False) for seed in SEEDS} == {21, 22}


def test_staging_that_is_written_while_a_copy_is_under_way_shows():
    found = set()
    for seed in SEEDS:
        device = CpuDevice(seed=seed)
        staging, target, stream = device.pinned(1), device.memory(1), device.stream()
        staging.array[0] = 1
        device.copy(target.address, staging.address, 1, stream)
        staging.array[0] = 2
        stream.synchronize()
        found.add(int(target.array[0]))
    assert found == {1, 2}


@pytest.mark.parametrize("seed", SEEDS)
def test_events_stand_for_what_was_enqueued_before(seed):
    device, taken = CpuDevice(seed=seed), []
    stream, event = device.stream(), device.event()
    assert event.is_done(), "an event that was never recorded is done, as in CUDA"
    stream.call(lambda: taken.append("before"))
    event.record(stream)
    stream.call(lambda: taken.append("after"))
    event.wait()

    assert taken[0] == "before"
    stream.synchronize()
    assert taken == ["before", "after"]
    event.record(stream)
    while not event.is_done():
        pass
    assert taken == ["before", "after"]


def test_waiting_for_an_event_means_what_it_stood_for_then():
    device, taken = CpuDevice(seed=3), []
    first, second, event = device.stream(), device.stream(), device.event()
    event.record(first)
    second.wait_for(event)
    first.call(lambda: taken.append("later"))
    event.record(first)
    second.call(lambda: taken.append("second"))
    second.synchronize()
    first.synchronize()
    assert set(taken) == {"later", "second"}


def test_times_of_events():
    device = CpuDevice()
    stream, timed, untimed = device.stream(), [device.event(timed=True) for _ in range(2)], device.event()
    for event in (*timed, untimed):
        event.record(stream)
    stream.synchronize()
    assert timed[1].ms_since(timed[0]) >= 0
    with pytest.raises(EngineError, match="timed=True"):
        untimed.ms_since(timed[0])


def test_failed_work_is_told_to_whoever_waits_for_it_and_to_nobody_else():
    """Whatever thread does the work: later work of the stream is passed over, its events hand the failure on."""

    def fail():
        raise EngineError("segment 1", "it broke", "Mend it")

    for seed in SEEDS:
        device, taken = CpuDevice(seed=seed), []
        broken, sound, depends = device.stream(), device.stream(), device.stream()
        event, other = device.event(), device.event()
        broken.call(fail)
        broken.call(lambda taken=taken: taken.append("stale"))
        event.record(broken)
        depends.wait_for(event)
        depends.call(lambda taken=taken: taken.append("depends"))
        sound.call(lambda taken=taken: taken.append("sound"))
        other.record(sound)
        other.wait()
        sound.synchronize()
        for wait in (event.wait, broken.synchronize, depends.synchronize):
            with pytest.raises(EngineError, match="it broke"):
                wait()
        assert taken == ["sound"]
        broken.call(lambda taken=taken: taken.append("again"))
        broken.synchronize()
        assert taken == ["sound", "again"], "after the failure was told, the stream goes on"


def test_an_event_of_a_capture_never_comes():
    device = CpuDevice()
    stream, event = device.stream(), device.event()
    device.capture(lambda builder: event.record(builder.stream))
    with pytest.raises(EngineError, match="never comes"):
        event.wait()
    stream.wait_for(event)
    with pytest.raises(EngineError, match="waits for an event that no stream holds"):
        stream.synchronize()


def test_threads_share_the_work():
    device = CpuDevice(seed=5)
    totals = [device.memory(8).array.view(np.int64) for _ in range(4)]

    def work(total):
        stream, event = device.stream(), device.event()

        def add():
            total[0] += 1

        for _ in range(200):
            stream.call(add)
            event.record(stream)
            event.wait()

    threads = [threading.Thread(target=work, args=(total,)) for total in totals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [int(total[0]) for total in totals] == [200] * 4


def test_objects_of_another_device_are_refused():
    device = CpuDevice()
    program = Program(name="nothing", source="", defines=(), reference=print)
    with pytest.raises(EngineError, match="expected one of a CPU device"):
        device.copy(0, 0, 0, object())
    with pytest.raises(EngineError, match="expected one of a CPU device"):
        device.stream().wait_for(object())
    with pytest.raises(EngineError, match=r"got grid \(0, 1\)"):
        device.kernel(program).launch(device.stream(), grid=(0, 1), threads=32, arguments=())
