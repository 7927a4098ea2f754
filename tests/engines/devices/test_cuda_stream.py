"""Streams and events, on an emulated driver that runs work only when somebody waits for it."""

import pytest
from emulated_cuda import EVENT, STREAM, Emulator, leaves_nothing

from eengines.devices.cuda import open_cuda_device
from eengines.errors import EngineError

EMULATED_CUDA: dict[str, str] = {}


@leaves_nothing
def test_work_of_a_stream_is_in_order_and_waits_until_it_is_needed():
    device = open_cuda_device()
    with device.use():
        stream = device.stream()
        host, gpu = device.pinned(8), device.memory(8)
        host.array[:] = range(8)
        device.copy(gpu.address, host.address, 8, stream)
        device.copy(host.address + 4, gpu.address, 4, stream)
        assert host.array.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
        stream.synchronize()
        assert host.array.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]


@pytest.mark.parametrize("ordered", [True, False])
def test_streams_are_ordered_by_events_only(ordered):
    device = open_cuda_device()
    with device.use():
        first, second, event = device.stream(), device.stream(), device.event()
        host, gpu, answer = device.pinned(4), device.memory(4), device.pinned(4)
        host.array[:] = 7
        device.copy(gpu.address, host.address, 4, first)
        event.record(first)
        if ordered:
            second.wait_for(event)
        device.copy(answer.address, gpu.address, 4, second)
        second.synchronize()
        assert answer.array.tolist() == ([7] * 4 if ordered else [0] * 4)
        first.synchronize()


def test_an_event_tells_whether_its_work_is_done():
    device = open_cuda_device()
    with device.use():
        stream, event, memory = device.stream(), device.event(), device.memory(4)
        assert event.is_done()
        device.copy(memory.address, memory.address + 2, 2, stream)
        event.record(stream)
        assert not event.is_done()
        event.wait()
        assert event.is_done()


def test_timed_events_tell_milliseconds():
    device = open_cuda_device()
    with device.use():
        stream, memory = device.stream(), device.memory(4)
        start, end = device.event(timed=True), device.event(timed=True)
        start.record(stream)
        device.copy(memory.address, memory.address + 2, 2, stream)
        end.record(stream)
        with pytest.raises(EngineError, match="CUDA_ERROR_NOT_READY"):
            end.ms_since(start)
        end.wait()
        assert end.ms_since(start) == 2.0  # the emulator's clock counts pieces of work
        with pytest.raises(EngineError, match=r"it keeps no time\. Make both events with timed=True"):
            end.ms_since(device.event())


@pytest.mark.parametrize(("asked", "got"), [(0, 0), (-2, -2), (-100, -5), (100, 0)])
def test_priorities_are_clipped_to_what_the_gpu_has(asked, got):
    device = open_cuda_device()
    with device.use():
        assert Emulator().priority(device.stream(priority=asked).handle) == got


def test_streams_and_events_are_destroyed_with_their_objects():
    device, emulator = open_cuda_device(), Emulator()
    with device.use():
        before = emulator.live(STREAM), emulator.live(EVENT)
        stream, event = device.stream(), device.event()
        assert emulator.live(STREAM) == before[0] + 1
        assert emulator.live(EVENT) == before[1] + 2  # one guards the memory that the stream uses
        del stream, event
        assert (emulator.live(STREAM), emulator.live(EVENT)) == before


@leaves_nothing
def test_a_stream_that_cannot_be_guarded_is_not_left_behind():
    device, emulator = open_cuda_device(), Emulator()
    with device.use():
        emulator.fail("cuEventCreate", 2)
        with pytest.raises(EngineError, match="making an event failed: CUDA_ERROR_OUT_OF_MEMORY"):
            device.stream()


def test_events_of_other_devices_are_refused():
    device = open_cuda_device()
    with device.use(), pytest.raises(EngineError, match="got object, expected an event of CUDA"):
        device.stream().wait_for(object())
