"""Captures that fail, on an emulated driver: they are told, and leave nothing."""

import pytest
from captured_bytes import Bytes
from emulated_cuda import Emulator, leaves_nothing

from eengines.devices.cuda import open_cuda_device
from eengines.errors import EngineError

EMULATED_CUDA: dict[str, str] = {}


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
def test_a_builder_is_of_no_use_after_its_capture():
    device, builders = open_cuda_device(), []
    with device.use():
        device.capture(builders.append)
        with pytest.raises(EngineError, match="the capture is over"):
            builders[0].selector()
        builders.clear()
