"""Switches of captured graphs, on an emulated driver."""

import ctypes

import pytest
from captured_bytes import Bytes
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
