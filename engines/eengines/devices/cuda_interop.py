"""Arrays of other libraries on the same GPU, taken without a copy: DLPack, else `__cuda_array_interface__`.

DLPack goes first: its producer orders its own stream before ours, while torch's `__cuda_array_interface__` says nothing
of streams. Nor does pycuda's, though its operations are still running on the default stream when it hands an array out;
so where no stream is named, the default stream is waited for. Our streams would not wait for it by themselves.
Arrays of the host are not for us: the answer is None.

Sources: dmlc.github.io/dlpack ("Python Specification"); numba.readthedocs.io, "CUDA Array Interface (Version 3)";
`GPUArray.__cuda_array_interface__` of github.com/inducer/pycuda.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from eengines.device import DeviceView, Stream
from eengines.devices.array_interface import dense_shape
from eengines.devices.cuda_context import CudaContext
from eengines.devices.cuda_driver import check
from eengines.devices.cuda_stream import CudaEvent
from eengines.devices.dlpack import CUDA, CUDA_MANAGED, read_capsule
from eengines.errors import InputError

__all__ = ["view"]

DEFAULT_STREAM = 1
"""`CU_STREAM_LEGACY`; 2 is the default stream of a thread."""

HOST_MEMORY = 1
"""`CU_MEMORYTYPE_HOST`: pinned memory, which every GPU reaches."""


def view(context: CudaContext, array: Any, stream: Stream) -> DeviceView | None:
    """Take an array of this GPU; see `Device.view`.

    Raises:
        InputError: it is on another GPU or in another context, has gaps or a mask, or its owner does not give it away.
    """
    if hasattr(array, "__dlpack_device__") and hasattr(array, "__dlpack__"):
        kind, ordinal = array.__dlpack_device__()
        return _from_dlpack(context, array, ordinal, stream) if kind in {CUDA, CUDA_MANAGED} else None
    interface = getattr(array, "__cuda_array_interface__", None)
    return None if interface is None else _from_interface(context, array, interface, stream)


def _from_dlpack(context: CudaContext, array: Any, ordinal: int, stream: Stream) -> DeviceView:
    _check_ordinal(ordinal, context)
    try:
        capsule = array.__dlpack__(stream=stream.handle)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        got = f"got a {type(array).__name__} that does not give its memory away: {error}".rstrip(".")
        raise InputError("input", got, "Detach it, and make it an ordinary array") from error
    tensor = read_capsule(capsule)
    strides = None if tensor.strides is None else tuple(step * tensor.itemsize for step in tensor.strides)
    interface = {"shape": tensor.shape, "strides": strides, "typestr": f"|V{tensor.itemsize}"}
    _check_memory(context, tensor.address)
    return DeviceView(address=tensor.address, dtype=tensor.dtype, shape=dense_shape(interface), owner=(array, capsule))


def _from_interface(context: CudaContext, array: Any, interface: Mapping[str, Any], stream: Stream) -> DeviceView:
    shape, dtype = dense_shape(interface), np.dtype(interface["typestr"])
    if not dtype.isnative:
        raise InputError(
            "input", f"got elements {dtype.str}, expected the byte order of this machine", "Swap the bytes"
        )
    address = int(interface["data"][0])
    _check_memory(context, address)
    _order(context, interface.get("stream"), stream)
    return DeviceView(address=address, dtype=dtype.name, shape=shape, owner=array)


def _order(context: CudaContext, producer: Any, stream: Stream) -> None:
    """Let `stream` wait for what is on the array's stream now."""
    if producer == stream.handle:
        return
    if producer == 0:  # 0 could mean None, 1 or 2, so the protocol forbids it
        raise InputError("input", "got an array with stream 0, which no array may have", "Update the library it is of")
    event = CudaEvent(context)
    on = DEFAULT_STREAM if producer is None else producer
    check(context.driver.cuEventRecord(event.handle, on), "waiting for the stream of an array")
    stream.wait_for(event)


def _check_memory(context: CudaContext, address: int) -> None:
    """Refuse what our context cannot read. An array without elements may have no address."""
    if not address:
        return
    kinds = context.driver.CUpointer_attribute
    asked = [
        kinds.CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
        kinds.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
        kinds.CU_POINTER_ATTRIBUTE_CONTEXT,
    ]
    found = check(context.driver.cuPointerGetAttributes(len(asked), asked, address), "looking at an array's address")
    memory, ordinal, owner = found
    if not memory:
        raise InputError("input", f"got address {address:#x}, which CUDA does not know", "Give an array on the GPU")
    if memory == HOST_MEMORY:
        return
    _check_ordinal(ordinal, context)
    if int(owner) and int(owner) != int(context.handle):  # 0: memory of a pool, which has no context
        raise InputError(
            "input",
            "got an array of another CUDA context, expected one of the GPU's primary context",
            "Make it there: with pycuda, import pycuda.autoprimaryctx in place of pycuda.autoinit",
        )


def _check_ordinal(ordinal: int, context: CudaContext) -> None:
    if ordinal != context.ordinal:
        raise InputError(
            "input",
            f"got an array on GPU {ordinal}, the model is on GPU {context.ordinal}",
            f"Copy it to GPU {context.ordinal}, or load the model on GPU {ordinal}",
        )
