"""Captured graphs and their switches, on an emulated driver."""

import ctypes
import gc
import threading

import pytest
from emulated_cuda import GRAPH, Emulator, leaves_nothing

from eengines.device import Program
from eengines.devices.cuda import open_cuda_device
from eengines.errors import EngineError

EMULATED_CUDA: dict[str, str] = {}

SET = Program(
    name="set_selector",
    source="""
extern "C" __device__ __cudart_builtin__ void cudaGraphSetConditional(unsigned long long handle, unsigned value);
extern "C" __global__ void set_selector(unsigned long long handle, const unsigned char *value) {
    cudaGraphSetConditional(handle, *value);
}
""",
    defines=(),
    reference=lambda arguments, select: select(arguments[0], byte_at(arguments[1])),
)


def byte_at(address):
    return ctypes.c_uint8.from_address(address).value


class Bytes:
    """Two pinned arrays of one byte a number, and the copies between them."""

    def __init__(self, device, count=8):
        self.device = device
        self.source, self.target = device.pinned(count), device.pinned(count)
        self.source.array[:] = range(10, 10 + count)

    def copy(self, number, stream):
        self.device.copy(self.target.address + number, self.source.address + number, 1, stream)

    @property
    def copied(self):
        return [number for number, value in enumerate(self.target.array) if value]


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


def switching(device, data, bodies, after=()):
    """A graph whose selector is the first source byte."""
    kernel = device.kernel(SET)

    def record(builder):
        data.copy(7, builder.stream)
        selector = builder.selector()
        kernel.launch(builder.stream, grid=(1, 1), threads=1, arguments=(selector, data.source.address))
        builder.switch(selector, bodies)
        for number in after:
            device.copy(data.target.address + number, data.target.address + 1, 1, builder.stream)

    return device.capture(record)


@leaves_nothing
def test_a_switch_runs_one_body():
    device, emulator = open_cuda_device(), Emulator()
    emulator.kernel(SET.name, 2, SET.reference)
    with device.use():
        data, stream = Bytes(device), device.stream()
        bodies = [lambda stream, number=number: data.copy(number, stream) for number in (1, 2, 3)]
        graph = switching(device, data, bodies)
        for value, expected in [(0, [1, 7]), (2, [3, 7]), (1, [2, 7]), (3, [7]), (200, [7])]:
            data.target.array[:] = 0
            data.source.array[0] = value
            graph.launch(stream)
            stream.synchronize()
            assert data.copied == expected


@leaves_nothing
def test_what_follows_a_switch_comes_after_it():
    device, emulator = open_cuda_device(), Emulator()
    emulator.kernel(SET.name, 2, SET.reference)
    with device.use():
        data, stream = Bytes(device), device.stream()
        data.source.array[0] = 1
        graph = switching(device, data, [lambda _: None, lambda stream: data.copy(1, stream)], after=[5])
        graph.launch(stream)
        stream.synchronize()
        assert data.target.array[5] == data.target.array[1] == data.source.array[1]


@leaves_nothing
def test_selectors_are_zero_at_each_launch_and_switches_follow_each_other():
    device, emulator = open_cuda_device(), Emulator()
    emulator.kernel(SET.name, 2, SET.reference)
    with device.use():
        data, stream, kernel = Bytes(device), device.stream(), device.kernel(SET)

        def record(builder):
            first, second = builder.selector(), builder.selector()

            def choose(body):
                data.copy(1, body)
                kernel.launch(body, grid=(1, 1), threads=1, arguments=(second, data.source.address))

            builder.switch(first, [choose])
            builder.switch(second, [lambda stream: data.copy(2, stream), lambda stream: data.copy(3, stream)])

        graph = device.capture(record)
        for value, expected in [(1, [1, 3]), (0, [1, 2]), (1, [1, 3])]:
            data.target.array[:] = 0
            data.source.array[0] = value
            graph.launch(stream)
            stream.synchronize()
            assert data.copied == expected


@pytest.mark.parametrize("where", ["main", "body"])
@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("pinned", "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"),
        ("own stream", "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"),
        ("other stream", "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"),
        ("event", "CUDA_ERROR_STREAM_CAPTURE_ISOLATION"),
    ],
)
@leaves_nothing
def test_calls_that_no_graph_can_hold_end_the_capture(where, call, error):
    device = open_cuda_device()
    with device.use():
        other, event, data = device.stream(), device.event(), Bytes(device)

        def forbidden(stream):
            data.copy(0, stream)
            calls = {
                "pinned": lambda: device.pinned(8),
                "own stream": stream.synchronize,
                "other stream": other.synchronize,
                "event": lambda: stream.wait_for(event),
            }
            calls[call]()

        def record(builder):
            if where == "main":
                forbidden(builder.stream)
            else:
                builder.switch(builder.selector(), [lambda stream: data.copy(1, stream), forbidden])

        with pytest.raises(EngineError, match=error):
            device.capture(record)
        graph = device.capture(lambda builder: data.copy(2, builder.stream))  # the device is as good as new
        graph.launch(other)
        other.synchronize()
        assert data.copied == [2]


@leaves_nothing
def test_an_error_that_was_swallowed_still_ends_the_capture():
    device = open_cuda_device()
    with device.use():

        def record(builder):
            with pytest.raises(EngineError, match="STREAM_CAPTURE_UNSUPPORTED"):
                builder.stream.synchronize()

        with pytest.raises(
            EngineError, match="recording a graph failed: CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"
        ) as caught:
            device.capture(record)
        assert "before or after" in caught.value.remedy


@pytest.mark.parametrize("where", ["main", "body"])
@pytest.mark.parametrize("kind", [ZeroDivisionError, KeyboardInterrupt])
@leaves_nothing
def test_an_exception_ends_the_capture(where, kind):
    device = open_cuda_device()
    with device.use():

        def fail(_):
            raise kind

        def record(builder):
            if where == "main":
                fail(builder.stream)
            builder.switch(builder.selector(), [lambda _: None, fail])

        with pytest.raises(kind):
            device.capture(record)


@pytest.mark.parametrize(
    "call",
    [
        "cuStreamBeginCapture",
        "cuStreamEndCapture",
        "cuGraphInstantiateWithFlags",
        "cuGraphConditionalHandleCreate",
        "cuGraphAddNode",
        "cuGraphGetNodes",
        "cuGraphAddChildGraphNode",
        "cuStreamUpdateCaptureDependencies",
        "cuStreamGetCaptureInfo",
        "cuStreamCreateWithPriority",
    ],
)
@pytest.mark.parametrize("after", [0, 1])
@leaves_nothing
def test_a_call_that_fails_is_told_and_leaves_nothing(call, after):
    device, emulator = open_cuda_device(), Emulator()
    with device.use():
        memory = device.memory(8)

        def body(stream):
            device.copy(memory.address, memory.address + 4, 4, stream)

        def record(builder):
            builder.switch(builder.selector(), [body, body])
            builder.switch(builder.selector(), [body, body])

        emulator.fail(call, 801, after=after)
        if after and call == "cuGraphInstantiateWithFlags":
            device.capture(record)
        with pytest.raises(EngineError, match="CUDA_ERROR_NOT_SUPPORTED"):
            device.capture(record)


@leaves_nothing
def test_switches_are_not_nested():
    device = open_cuda_device()
    with device.use():

        def record(builder):
            selector = builder.selector()
            builder.switch(selector, [lambda _: builder.switch(selector, [lambda _: None])])

        with pytest.raises(EngineError, match="got a switch in a body"):
            device.capture(record)
        with pytest.raises(EngineError, match="got no bodies"):
            device.capture(lambda builder: builder.switch(builder.selector(), []))


@leaves_nothing
def test_a_builder_is_of_no_use_after_its_capture():
    device, builders = open_cuda_device(), []
    with device.use():
        device.capture(builders.append)
        with pytest.raises(EngineError, match="the capture is over"):
            builders[0].selector()
        builders.clear()


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


@leaves_nothing
def test_graphs_are_destroyed_once_they_are_instantiated():
    device, emulator = open_cuda_device(), Emulator()
    with device.use():
        before = emulator.live(GRAPH)
        graph = device.capture(lambda builder: builder.switch(builder.selector(), [lambda _: None]))
        assert emulator.live(GRAPH) == before
        graph.launch(device.stream())


@leaves_nothing
def test_switches_can_be_had():
    with open_cuda_device().use():
        capability = open_cuda_device().probe_switch()
    assert capability.ok
    assert "CUDA 12.9" in capability.reason
