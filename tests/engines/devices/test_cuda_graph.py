"""Captured graphs, on an emulated driver."""

import gc
import threading

from captured_bytes import Bytes
from emulated_cuda import leaves_nothing

from eengines.devices.cuda import open_cuda_device
from eengines.errors import EngineError

EMULATED_CUDA: dict[str, str] = {}


@leaves_nothing
def test_what_is_captured_runs_at_each_launch_only():
    device = open_cuda_device()
    with device.use():
        data, stream = Bytes(device), device.stream()
        graph = device.capture(lambda builder: [data.copy(number, builder.stream) for number in (1, 4)])
        stream.synchronize()
        assert data.copied == []
        for value in (20, 30):
            data.source.array[:] = value
            graph.launch(stream)
            stream.synchronize()
            assert data.target.array[[1, 4]].tolist() == [value, value]
        assert data.copied == [1, 4]


@leaves_nothing
def test_a_graph_runs_in_the_order_of_the_stream_that_it_is_launched_on():
    device = open_cuda_device()
    with device.use():
        data, stream, event = Bytes(device), device.stream(), device.event()
        graph = device.capture(lambda builder: data.copy(0, builder.stream))
        device.copy(data.source.address, data.source.address + 5, 1, stream)
        graph.launch(stream)
        event.record(stream)
        event.wait()
        assert data.target.array[0] == 15


@leaves_nothing
def test_an_empty_graph_may_be_launched():
    device = open_cuda_device()
    with device.use():
        stream = device.stream()
        device.capture(lambda _: None).launch(stream)
        stream.synchronize()


@leaves_nothing
def test_other_threads_go_on_while_one_captures():
    device, failed = open_cuda_device(), []

    def work():
        try:
            with device.use():
                stream, memory = device.stream(), device.memory(8)
                device.copy(memory.address, memory.address + 4, 4, stream)
                stream.synchronize()
        except EngineError as error:
            failed.append(error)

    def record(builder):
        data.copy(3, builder.stream)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    with device.use():
        data, stream = Bytes(device), device.stream()
        device.capture(record).launch(stream)
        stream.synchronize()
        assert failed == []
        assert data.copied == [3]


@leaves_nothing
def test_memory_and_streams_may_be_collected_during_a_capture():
    device = open_cuda_device()
    with device.use():
        data, stream = Bytes(device), device.stream()
        cycle = [device.memory(8), device.pinned(8), device.stream(), device.event()]
        cycle.append(cycle)  # only the collector frees it
        rubbish = [cycle]
        del cycle

        def record(builder):
            data.copy(1, builder.stream)
            rubbish.clear()
            gc.collect()
            data.copy(2, builder.stream)

        device.capture(record).launch(stream)
        stream.synchronize()
        assert data.copied == [1, 2]
