"""ONNX Runtime's CUDA provider: what it is given, and what refuses where it cannot run."""

import importlib.util

import numpy as np
import onnxruntime
import pytest
from bound_product import PRODUCT, WEIGHT, buffers, opened

from eengines.backends import find_device_backend, onnxruntime_cuda
from eengines.backends.onnxruntime_cuda import OnnxRuntimeCudaBackend, cuda_provider
from eengines.backends.onnxruntime_stream import StreamEngine
from eengines.device_engine import PlanOptions
from eengines.devices.cpu import CpuDevice
from eengines.devices.cuda import open_cuda_device, probe_cuda
from eengines.engine import Capability
from eengines.errors import EngineError

OPTIONS = PlanOptions(buckets=(1, 4))
WITH_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


@pytest.mark.skipif(WITH_CUDA, reason="onnxruntime-gpu is installed")
def test_a_provider_that_does_not_start_is_not_replaced_by_the_cpu():
    engine = StreamEngine(PRODUCT, cuda_provider(0))
    with (
        pytest.warns(UserWarning, match="not in available provider names"),
        pytest.raises(EngineError, match=r"CUDAExecutionProvider does not start: .*onnxruntime-gpu\[cuda,cudnn\]"),
    ):
        opened(engine, 4, CpuDevice().stream(), **buffers(4))


def test_options_of_the_provider():
    provider = cuda_provider(1)
    assert (provider.name, provider.memory, provider.ordinal) == ("CUDAExecutionProvider", "cuda", 1)
    assert provider.exclusive
    assert provider.options(0xABC) == {
        "device_id": "1",
        "user_compute_stream": "2748",
        "arena_extend_strategy": "kSameAsRequested",
        "use_tf32": "0",
    }


def test_the_plan_is_the_graph():
    backend, shares = OnnxRuntimeCudaBackend(), []
    plan = backend.build(PRODUCT, OPTIONS, shares.append)
    assert (plan.content, plan.notes, shares) == (PRODUCT, (), [0.0, 1.0])
    assert not backend.has_plans
    assert backend.probe_build((9, 0)).ok


def test_probe_without_the_package(monkeypatch):
    monkeypatch.setattr(
        onnxruntime_cuda, "find_spec", lambda name: None if name == "onnxruntime" else importlib.util.find_spec(name)
    )
    found = OnnxRuntimeCudaBackend().probe()
    assert (found.ok, found.reason) == (
        False,
        "onnxruntime-gpu is not installed: pip install 'onnxruntime-gpu[cuda,cudnn]'",
    )


@pytest.mark.skipif(WITH_CUDA, reason="onnxruntime-gpu is installed")
def test_probe_with_the_build_for_cpus():
    found = OnnxRuntimeCudaBackend().probe()
    assert not found.ok
    assert found.reason.endswith("without CUDA: pip install 'onnxruntime-gpu[cuda,cudnn]' in place of onnxruntime")
    with pytest.raises(EngineError, match="is a build without CUDA"):
        OnnxRuntimeCudaBackend().load(OnnxRuntimeCudaBackend().build(PRODUCT, OPTIONS, lambda _: None), CpuDevice())


@pytest.mark.skipif(probe_cuda().ok, reason="a GPU is here")
def test_probe_without_a_gpu(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    found = OnnxRuntimeCudaBackend().probe()
    assert (found.ok, found.reason) == (False, probe_cuda().reason)


@pytest.mark.parametrize(
    ("built_for", "card", "refused"),
    [
        ("13.0", (7, 0), True),
        ("13.0", (6, 0), True),
        ("13.0", (7, 5), False),
        ("12.8", (6, 0), False),
        ("14.1", (7, 0), True),
    ],
)
def test_cards_that_cuda_13_has_left(monkeypatch, built_for, card, refused):
    monkeypatch.setattr(onnxruntime, "cuda_version", built_for)
    reason = onnxruntime_cuda._too_old(card)
    assert bool(reason) == refused
    assert not refused or reason.endswith("install a build for CUDA 12")


def test_on_a_gpu():
    backend = OnnxRuntimeCudaBackend()
    if not backend.probe().ok:
        pytest.skip(backend.probe().reason)
    device, arrays = open_cuda_device(), buffers(4)
    with device.use():
        engine = backend.load(backend.build(PRODUCT, OPTIONS, lambda _: None), device)
        stream = device.stream()
        pinned = {name: device.pinned(array.nbytes) for name, array in arrays.items()}
        memory = {name: device.memory(array.nbytes) for name, array in arrays.items()}
        session = engine.open(4, {n: m.address for n, m in memory.items()}, workspace=0, stream=stream)
        for spec in engine.inputs:
            pinned[spec.name].array[:] = arrays[spec.name].view(np.uint8).ravel()
            device.copy(memory[spec.name].address, pinned[spec.name].address, memory[spec.name].nbytes, stream)
        session.enqueue(stream)
        for spec in engine.outputs:
            device.copy(pinned[spec.name].address, memory[spec.name].address, memory[spec.name].nbytes, stream)
        stream.synchronize()
        result = pinned["y"].array.view(np.float32).reshape(4, 3)
        np.testing.assert_allclose(result, arrays["x"] @ WEIGHT, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(pinned["gone"].array.view(bool), ~arrays["alive"])


def test_the_gpu_of_its_number_is_probed(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr("eengines.devices.cuda.probe_cuda", lambda number: Capability(ok=False, reason=f"GPU {number}"))
    assert find_device_backend("onnxruntime-cuda", ordinal=3).probe().reason == "GPU 3"
    assert find_device_backend("onnxruntime-cuda").probe().reason == "GPU 0"
