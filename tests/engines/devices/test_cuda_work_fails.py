"""What is told of work that fails on the GPU: it shows at the next wait, and the context is lost."""

import pytest
from emulated_cuda import Emulator

from eengines.devices.cuda import open_cuda_device
from eengines.errors import EngineError

EMULATED_CUDA: dict[str, str] = {}


def test_failed_work_is_told_by_whoever_waits():
    device = open_cuda_device()
    with device.use():
        stream, event, memory = device.stream(), device.event(), device.memory(4)
        device.copy(memory.address, memory.address + 2, 4, stream)  # two bytes too far
        event.record(stream)
        with pytest.raises(EngineError, match="running enqueued work failed: CUDA_ERROR_ILLEGAL_ADDRESS") as caught:
            event.wait()
        assert "restart the process" in str(caught.value)
        for call in (stream.synchronize, event.is_done, lambda: device.memory(4), device.stream):
            with pytest.raises(EngineError, match="CUDA_ERROR_ILLEGAL_ADDRESS"):
                call()
        del stream, event, memory  # nothing of this raises
    assert Emulator().depth() == 0
