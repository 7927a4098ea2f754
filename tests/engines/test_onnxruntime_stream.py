"""Graphs in ONNX Runtime that are bound to addresses, on its provider for CPUs."""

import dataclasses

import numpy as np
import onnxruntime
import pytest
from bound_product import CPU, PRODUCT, WEIGHT, buffers, model, opened
from onnx import TensorProto, helper

from eengines.backends.onnxruntime_stream import StreamEngine
from eengines.devices.cpu import CpuDevice


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
