"""Put an array into memory of a device."""

from eengines.device import Device, Memory, Stream
from eengines.tensors import Array

__all__ = ["upload"]


def upload(device: Device, array: Array, stream: Stream) -> Memory:
    """Return device memory with the bytes of a C-contiguous array; waits until they are there."""
    staging, memory = device.pinned(array.nbytes), device.memory(array.nbytes)
    staging.array[:] = array.reshape(-1).view("uint8")
    device.copy(memory.address, staging.address, array.nbytes, stream)
    stream.synchronize()
    return memory
