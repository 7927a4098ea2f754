"""Graphs on a driver before CUDA 12.8: no switches, and some functions of the bindings are missing."""

import pytest
from emulated_cuda import leaves_nothing

from eengines.devices.cuda import open_cuda_device
from eengines.errors import EngineError

EMULATED_CUDA = {"EMULATOR_DRIVER": "12020"}


def test_the_reason_names_the_driver_and_what_is_needed():
    device = open_cuda_device()
    with device.use():
        capability = device.probe_switch()
    assert not capability.ok
    assert capability.reason == "the driver is of CUDA 12.2, switches need 12.8: install driver R570 or later"


@leaves_nothing
def test_whoever_does_not_ask_is_told_as_well():
    device = open_cuda_device()
    with device.use(), pytest.raises(EngineError, match=r"switches need 12\.8"):
        device.capture(lambda builder: builder.selector())


def test_graphs_without_switches_run():
    device = open_cuda_device()
    with device.use():
        memory, stream = device.memory(8), device.stream()
        graph = device.capture(lambda builder: device.copy(memory.address, memory.address + 4, 4, builder.stream))
        graph.launch(stream)
        stream.synchronize()
