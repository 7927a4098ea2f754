"""ONNX Runtime's CUDA provider: what refuses, and how; its binding to addresses runs here on the CPU provider."""

import dataclasses
import importlib.util

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from eengines.backends import onnxruntime_cuda
from eengines.backends.onnxruntime_cuda import OnnxRuntimeCudaBackend, cuda_provider
from eengines.backends.onnxruntime_stream import Provider, StreamEngine
from eengines.device_engine import PlanOptions
from eengines.devices.cpu import CpuDevice
from eengines.devices.cuda import open_cuda_device, probe_cuda
from eengines.errors import EngineError

CPU = Provider(
    name="CPUExecutionProvider",
    memory="cpu",
    ordinal=0,
    options=lambda _: {},
    exclusive=False,
    package="onnxruntime",
)
OPTIONS = PlanOptions(buckets=(1, 4))
WITH_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def model(nodes, inputs, outputs, initializers=()) -> bytes:
    """Inputs and outputs: name → (type, shape of a row)."""

    def infos(values):
        return [helper.make_tensor_value_info(n, kind, ["batch", *shape]) for n, (kind, shape) in values.items()]

    graph = helper.make_graph(nodes, "g", infos(inputs), infos(outputs), [*initializers])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return made.SerializeToString()


WEIGHT = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
PRODUCT = model(
    [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Not", ["alive"], ["gone"])],
    {"x": (TensorProto.FLOAT, [4]), "alive": (TensorProto.BOOL, [])},
    {"y": (TensorProto.FLOAT, [3]), "gone": (TensorProto.BOOL, [])},
    [numpy_helper.from_array(WEIGHT, "w")],
)


def opened(engine, rows, stream, **arrays):
    """A session on arrays, which must hold `rows` rows at least."""
    return engine.open(rows, {name: a.ctypes.data for name, a in arrays.items()}, workspace=0, stream=stream)


def buffers(rows):
    random = np.random.default_rng(rows)
    x = random.standard_normal((rows, 4)).astype(np.float32)
    return {
        "x": x,
        "alive": random.random(rows) < 0.5,
        "y": np.zeros((rows, 3), np.float32),
        "gone": np.zeros(rows, bool),
    }


def test_specs_in_the_graphs_order():
    engine = StreamEngine(PRODUCT, CPU)
    assert [(s.name, s.dtype, s.shape) for s in engine.inputs] == [("x", "float32", (4,)), ("alive", "bool", ())]
    assert [(s.name, s.dtype, s.shape) for s in engine.outputs] == [("y", "float32", (3,)), ("gone", "bool", ())]
    assert engine.workspace_bytes(4) == 0


def test_addresses_are_read_and_written_in_place_for_every_bucket():
    engine, stream = StreamEngine(PRODUCT, CPU), CpuDevice().stream()
    arrays = buffers(8)
    sessions = {bucket: opened(engine, bucket, stream, **arrays) for bucket in (1, 3, 8)}
    for bucket, session in sessions.items():
        arrays["x"] += 1
        arrays["y"][:] = 7
        session.enqueue(stream)

        np.testing.assert_allclose(arrays["y"][:bucket], arrays["x"][:bucket] @ WEIGHT, rtol=1e-5, atol=1e-5)
        assert (arrays["y"][bucket:] == 7).all(), "rows behind the bucket are not touched"
        np.testing.assert_array_equal(arrays["gone"][:bucket], ~arrays["alive"][:bucket])


def test_memory_of_a_device():
    device, engine = CpuDevice(), StreamEngine(PRODUCT, CPU)
    memory = {spec.name: device.memory(4 * spec.row_bytes) for spec in (*engine.inputs, *engine.outputs)}
    memory["x"].array.view(np.float32)[:] = 1
    stream = device.stream()
    addresses = {name: block.address for name, block in memory.items()}
    engine.open(4, addresses, workspace=0, stream=stream).enqueue(stream)
    result = memory["y"].array.view(np.float32).reshape(4, 3)
    np.testing.assert_allclose(result, np.tile(WEIGHT.sum(axis=0), (4, 1)), rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (TensorProto.FLOAT16, np.float16),
        (TensorProto.DOUBLE, np.float64),
        (TensorProto.UINT8, np.uint8),
        (TensorProto.INT8, np.int8),
        (TensorProto.INT32, np.int32),
        (TensorProto.INT64, np.int64),
    ],
)
def test_element_types(kind, dtype):
    graph = model(
        [helper.make_node("Identity", ["x"], ["y"])],
        {"x": (kind, [2])},
        {"y": (kind, [2])},
    )
    x, y, stream = np.array([[1, 2], [3, 4]], dtype), np.zeros((2, 2), dtype), CpuDevice().stream()
    opened(StreamEngine(graph, CPU), 2, stream, x=x, y=y).enqueue(stream)
    np.testing.assert_array_equal(y, x)


def test_bfloat16_is_the_uint16_of_the_same_bits():
    graph = model(
        [
            helper.make_node("Cast", ["x"], ["wide"], to=TensorProto.FLOAT),
            helper.make_node("Cast", ["wide"], ["y"], to=16),
        ],
        {"x": (TensorProto.BFLOAT16, [4])},
        {"wide": (TensorProto.FLOAT, [4]), "y": (TensorProto.BFLOAT16, [4])},
    )
    values = np.array([[1.5, -2.0, 0.0, 256.0]], np.float32)
    x, wide, stream = (values.view(np.uint32) >> 16).astype(np.uint16), np.zeros_like(values), CpuDevice().stream()
    y = np.zeros_like(x)
    engine = StreamEngine(graph, CPU)
    opened(engine, 1, stream, x=x, wide=wide, y=y).enqueue(stream)

    assert (engine.inputs[0].dtype, engine.inputs[0].storage) == ("bfloat16", np.dtype("uint16"))
    np.testing.assert_array_equal(wide, values)
    np.testing.assert_array_equal(y, x)


def test_one_session_a_stream(monkeypatch):
    made = []
    original = onnxruntime.InferenceSession

    def counted(*arguments, **names):
        made.append(names["providers"])
        return original(*arguments, **names)

    monkeypatch.setattr(onnxruntime, "InferenceSession", counted)
    device, arrays = CpuDevice(), buffers(4)
    first, second = device.stream(), device.stream()
    provider = dataclasses.replace(CPU, options=lambda stream: {"stream": str(stream)})
    engine = StreamEngine(PRODUCT, provider)
    for stream in (first, second, first):
        opened(engine, 4, stream, **arrays)
    assert made == [[("CPUExecutionProvider", {"stream": str(stream.handle)})] for stream in (first, second)]


def test_a_run_only_enqueues_and_is_not_captured():
    stream = CpuDevice().stream()
    session = opened(StreamEngine(PRODUCT, CPU), 4, stream, **buffers(4))
    assert session._options.get_run_config_entry("disable_synchronize_execution_providers") == "1"
    assert session.capturable is False


def test_another_stream_is_refused():
    device = CpuDevice()
    session = opened(StreamEngine(PRODUCT, CPU), 4, device.stream(), **buffers(4))
    with pytest.raises(EngineError, match="got another stream than it was opened for"):
        session.enqueue(device.stream())


def test_a_value_that_the_library_refuses_while_running():
    graph = model(
        [helper.make_node("Gather", ["table", "x"], ["y"], axis=0)],
        {"x": (TensorProto.INT64, [1])},
        {"y": (TensorProto.FLOAT, [1])},
        [numpy_helper.from_array(np.ones(3, np.float32), "table")],
    )
    stream = CpuDevice().stream()
    x, y = np.array([[99]]), np.zeros((1, 1), np.float32)
    session = opened(StreamEngine(graph, CPU), 1, stream, x=x, y=y)
    with pytest.raises(EngineError, match=r"ONNX Runtime: .*indices element out of data bounds"):
        session.enqueue(stream)


def test_missing_addresses_and_empty_buckets():
    engine, stream, arrays = StreamEngine(PRODUCT, CPU), CpuDevice().stream(), buffers(4)
    with pytest.raises(EngineError, match="got a bucket of 0"):
        opened(engine, 0, stream, **arrays)
    del arrays["gone"]
    with pytest.raises(EngineError, match="tensor 'gone': no address was given"):
        opened(engine, 4, stream, **arrays)


def with_outside_weights() -> bytes:
    weight = numpy_helper.from_array(WEIGHT, "w")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="w.bin")
    return model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        {"x": (TensorProto.FLOAT, [4])},
        {"y": (TensorProto.FLOAT, [3])},
        [weight],
    )


def test_weights_outside_the_graph_are_refused(tmp_path, monkeypatch):
    (tmp_path / "w.bin").write_bytes(WEIGHT.tobytes())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EngineError, match="weights in another file"):
        OnnxRuntimeCudaBackend().build(with_outside_weights(), OPTIONS, lambda _: None)
    with pytest.raises(EngineError, match="weights in another file"):
        StreamEngine(with_outside_weights(), CPU)


def test_the_library_does_not_find_outside_weights_either(tmp_path, monkeypatch):
    (tmp_path / "w.bin").write_bytes(WEIGHT.tobytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("eengines.backends.onnxruntime_stream.refuse_external_weights", lambda *_: None)
    stream, x, y = CpuDevice().stream(), np.zeros((1, 4), np.float32), np.zeros((1, 3), np.float32)
    with pytest.raises(EngineError, match="refuses the graph"):
        opened(StreamEngine(with_outside_weights(), CPU), 1, stream, x=x, y=y)


@pytest.mark.parametrize(
    ("shape", "kind", "words"),
    [([2, 4], TensorProto.FLOAT, "symbolic batch axis"), (["batch", 4], TensorProto.STRING, "tensor\\(string\\)")],
)
def test_what_cannot_be_bound(shape, kind, words):
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, shape)],
    )
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()
    with pytest.raises(EngineError, match=words):
        StreamEngine(content, CPU)


def test_bytes_that_are_no_graph():
    with pytest.raises(EngineError, match="not an ONNX graph"):
        StreamEngine(b"nonsense", CPU)


def test_a_graph_that_the_provider_cannot_run_whole():
    # the CPU provider beside "no fallback to the CPU" is refused by ONNX Runtime itself
    engine = StreamEngine(PRODUCT, dataclasses.replace(CPU, exclusive=True))
    with pytest.raises(EngineError, match=r"refuses the graph: .*fallback.*choose another with --engine"):
        opened(engine, 4, CpuDevice().stream(), **buffers(4))


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
