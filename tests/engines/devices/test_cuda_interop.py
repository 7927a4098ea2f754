"""Arrays of other libraries, on an emulated driver with two GPUs."""

import ctypes
import gc
import sys
import weakref

import numpy as np
import pytest
from emulated_cuda import Emulator, leaves_nothing

from eengines.devices.cuda import open_cuda_device
from eengines.devices.cuda_driver import bindings, check
from eengines.errors import InputError

EMULATED_CUDA = {"EMULATOR_DEVICES": "2"}


class InterfaceArray:
    """As pycuda's arrays: `__cuda_array_interface__` only."""

    def __init__(self, memory, shape, dtype="<f4", *, version=3, **more):
        self.memory = memory
        address = memory if isinstance(memory, int) else memory.address
        self.__cuda_array_interface__ = {
            "shape": shape,
            "typestr": dtype,
            "data": (address, False),
            "version": version,
            **more,
        }


class DlpackArray:
    """As torch's and cupy's: a real capsule, of a host library, that says it is on a GPU."""

    def __init__(self, owner, kind=2, ordinal=0, error=None):
        self.owner, self.kind, self.ordinal, self.error = owner, kind, ordinal, error
        self.asked = []

    def __dlpack_device__(self):
        return (self.kind, self.ordinal)

    def __dlpack__(self, *, stream):
        if self.error:
            raise self.error
        self.asked.append(stream)
        return self.owner.__dlpack__()


def on_memory(memory, shape, dtype=np.float32):
    """A numpy array over emulated GPU memory."""
    block = (ctypes.c_uint8 * memory.nbytes).from_address(memory.address)
    return np.frombuffer(memoryview(block), dtype)[: int(np.prod(shape))].reshape(shape)


@pytest.mark.parametrize("strides", [None, (16, 4)])
@pytest.mark.parametrize("version", [2, 3])
def test_arrays_with_the_interface_are_taken(strides, version):
    device = open_cuda_device()
    with device.use():
        memory, stream = device.memory(48), device.stream()
        array = InterfaceArray(memory, (3, 4), strides=strides, version=version)
        found = device.view(array, stream)
        assert found is not None
        assert (found.address, found.dtype, found.shape) == (memory.address, "float32", (3, 4))
        assert found.owner is array


class DefaultStream:
    """What libraries use that are told of no stream."""

    handle = 1


@leaves_nothing
@pytest.mark.parametrize(
    ("writer", "entry", "ordered"),
    [
        ("own", "named", True),
        ("own", "none", False),
        ("default", "named", True),
        ("default", "none", True),
        ("default", "missing", True),
    ],
)
def test_work_comes_after_the_stream_that_the_array_names_or_else_the_default_stream(writer, entry, ordered):
    device = open_cuda_device()
    with device.use():
        theirs = device.stream() if writer == "own" else DefaultStream()
        ours, host, memory, answer = device.stream(), device.pinned(4), device.memory(4), device.pinned(4)
        host.array[:] = 5
        device.copy(memory.address, host.address, 4, theirs)  # its owner is still writing
        named = {"named": {"stream": theirs.handle}, "none": {"stream": None}, "missing": {}}
        found = device.view(InterfaceArray(memory, (4,), "|u1", **named[entry]), ours)
        device.copy(answer.address, found.address, 4, ours)
        ours.synchronize()
        assert answer.array.tolist() == [5 if ordered else 0] * 4


def test_the_arrays_own_stream_needs_no_event():
    device, emulator = open_cuda_device(), Emulator()
    with device.use():
        stream = device.stream()
        emulator.fail("cuEventRecord", 1)
        assert device.view(InterfaceArray(device.memory(4), (1,), stream=stream.handle), stream) is not None
        emulator.fail("", 0)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"strides": (4, 12)}, r"strides \[4, 12\], expected \[16, 4\]. Make it contiguous"),
        ({"strides": (32, 4)}, "Make it contiguous"),
        ({"mask": object()}, "with a mask"),
        ({"stream": 0}, "stream 0"),
        ({"dtype": ">f4"}, "byte order"),
    ],
)
def test_arrays_that_cannot_be_read_in_place_are_refused(more, words):
    device = open_cuda_device()
    with device.use(), pytest.raises(InputError, match=words):
        device.view(InterfaceArray(device.memory(200), (3, 4), **more), device.stream())


def test_addresses_that_cuda_does_not_know_are_refused():
    device, host = open_cuda_device(), np.zeros(4, np.float32)
    with device.use(), pytest.raises(InputError, match="which CUDA does not know"):
        device.view(InterfaceArray(int(host.ctypes.data), (4,)), device.stream())


@pytest.mark.parametrize("kind", ["interface", "dlpack"])
def test_arrays_on_another_gpu_are_refused_with_both_numbers(kind):
    first, second = open_cuda_device(0), open_cuda_device(1)
    with second.use():
        memory = second.memory(16)
    array = InterfaceArray(memory, (4,)) if kind == "interface" else DlpackArray(on_memory(memory, (4,)), ordinal=1)
    with first.use(), pytest.raises(InputError, match="got an array on GPU 1, the model is on GPU 0"):
        first.view(array, first.stream())


def test_pinned_memory_is_in_reach_of_every_gpu():
    first, second = open_cuda_device(0), open_cuda_device(1)
    with second.use():
        pinned = second.pinned(16)
    with first.use():
        assert first.view(InterfaceArray(pinned, (4,)), first.stream()).address == pinned.address


def test_arrays_without_elements_may_have_no_address():
    device = open_cuda_device()
    with device.use():
        assert device.view(InterfaceArray(0, (0, 4), strides=(1, 1)), device.stream()).shape == (0, 4)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8", "int32", "int64", "bool"])
@pytest.mark.parametrize("kind", [2, 13])
def test_dlpack_arrays_are_taken(dtype, kind):
    device = open_cuda_device()
    with device.use():
        memory, stream = device.memory(200), device.stream()
        array = DlpackArray(on_memory(memory, (3, 4), np.dtype(dtype)), kind)
        found = device.view(array, stream)
        assert (found.address, found.dtype, found.shape) == (memory.address, dtype, (3, 4))
        assert array.asked == [stream.handle]


def test_a_dlpack_array_may_begin_inside_its_memory_and_have_any_rank():
    device = open_cuda_device()
    with device.use():
        memory, stream = device.memory(48), device.stream()
        whole = on_memory(memory, (3, 4))
        assert device.view(DlpackArray(whole[1:]), stream).address == memory.address + 16
        assert device.view(DlpackArray(whole[1:2].T[:1]), stream).shape == (1, 1)
        assert device.view(DlpackArray(whole[1, 2:3].reshape(())), stream).shape == ()
        with pytest.raises(InputError, match=r"strides \[4, 16\], expected \[12, 4\]"):
            device.view(DlpackArray(whole.T), stream)


def test_a_view_keeps_the_array_and_no_longer():
    device = open_cuda_device()
    with device.use():
        memory = device.memory(16)
        owner = on_memory(memory, (4,))
        array, before = DlpackArray(owner), sys.getrefcount(owner)
        found, gone = device.view(array, device.stream()), weakref.ref(array)
        assert sys.getrefcount(owner) > before  # the capsule has it
        del array
        gc.collect()
        assert gone() is not None
        del found
        gc.collect()
        assert gone() is None
        assert sys.getrefcount(owner) == before - 1


@pytest.mark.parametrize("error", [BufferError("it requires grad."), RuntimeError("no"), TypeError("no")])
def test_arrays_that_are_not_given_away_are_refused(error):
    device = open_cuda_device()
    with (
        device.use(),
        pytest.raises(InputError, match="got a DlpackArray that does not give its memory away") as caught,
    ):
        device.view(DlpackArray(np.zeros(1), error=error), device.stream())
    assert caught.value.__cause__ is error


def test_complex_numbers_are_refused():
    device = open_cuda_device()
    with device.use(), pytest.raises(InputError, match="type code 5 of 64 bits"):
        device.view(DlpackArray(on_memory(device.memory(32), (2,), np.complex64)), device.stream())


def test_torch_bfloat16_is_taken():
    torch = pytest.importorskip("torch", reason="needs torch")
    device = open_cuda_device()
    with device.use():
        memory = device.memory(16)
        tensor = torch.from_numpy(on_memory(memory, (2, 4), np.int16)).view(torch.bfloat16)
        found = device.view(DlpackArray(tensor), device.stream())
        assert (found.address, found.dtype, found.shape) == (memory.address, "bfloat16", (2, 4))


def test_arrays_of_the_host_are_somewhere_else():
    torch = pytest.importorskip("torch", reason="needs torch")
    device = open_cuda_device()
    with device.use():
        stream = device.stream()
        for array in (np.zeros(4), torch.zeros(4), torch.zeros(4, requires_grad=True), [1, 2], object(), 3.0):
            assert device.view(array, stream) is None
        assert device.view(DlpackArray(np.zeros(4), kind=10), stream) is None  # ROCm


def test_the_emulator_knows_whose_memory_it_is():
    device = open_cuda_device()
    with device.use():
        driver, memory = bindings(), device.memory(8)
        kinds = [driver.CUpointer_attribute.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL]
        assert check(driver.cuPointerGetAttributes(1, kinds, memory.address), "test") == [0]
