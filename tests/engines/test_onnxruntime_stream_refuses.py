"""What ONNX Runtime or its binding to addresses refuses, on its provider for CPUs."""

import dataclasses

import numpy as np
import pytest
from bound_product import CPU, PRODUCT, WEIGHT, buffers, model, opened
from onnx import TensorProto, helper, numpy_helper

from eengines.backends.onnxruntime_cuda import OnnxRuntimeCudaBackend
from eengines.backends.onnxruntime_stream import StreamEngine
from eengines.device_engine import PlanOptions
from eengines.devices.cpu import CpuDevice
from eengines.errors import EngineError

OPTIONS = PlanOptions(buckets=(1, 4))


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
