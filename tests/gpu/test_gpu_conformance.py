"""Every engine of a GPU computes what ONNX Runtime does on the CPU, in float32, float16 and INT8, as a graph too."""

from functools import cache

import numpy as np
import onnx
import pytest
from device_backends import BoundGraph, backend_that_runs, load_graph
from onnx import TensorProto, helper, numpy_helper

from eengines.backends import DEVICE_BACKENDS, load_backend
from eengines.errors import EngineError

BUCKETS = (1, 4, 8)
CHANNELS, CLASSES, SIDE = 16, 10, 8
TOLERANCE = {"float32": 5e-3, "float16": 3e-2, "int8": 6e-2}
"""Of the largest logit. Float32 may run as TF32, with 10 bits of mantissa; INT8 may round one step to either side."""


@cache
def graph(precision: str) -> bytes:
    """Two convolutions, a mean and a matrix: `image [batch, 3, 8, 8] float32` → `logits [batch, 10] float32`."""
    random = np.random.default_rng(0)
    kind = np.float16 if precision == "float16" else np.float32
    weights = {
        "w0": random.standard_normal((CHANNELS, 3, 3, 3)) / 5,
        "w1": random.standard_normal((CHANNELS, CHANNELS, 3, 3)) / 12,
        "w2": random.standard_normal((CHANNELS, CLASSES)) / 4,
    }
    stored = {name: value.astype(kind) for name, value in weights.items()}
    nodes, value = [], "image"
    if precision == "float16":
        nodes.append(helper.make_node("Cast", ["image"], ["half"], to=TensorProto.FLOAT16))
        value = "half"
    for index in range(2):
        weight = f"w{index}"
        if precision == "int8":
            stored[f"s{index}"], stored["zero"] = np.float32(4 / 127), np.int8(0)
            scales = np.abs(weights[weight]).max(axis=(1, 2, 3)).astype(np.float32) / 127
            stored[f"t{index}"], stored["zeros"] = scales, np.zeros(CHANNELS, np.int8)
            nodes += [
                helper.make_node("QuantizeLinear", [value, f"s{index}", "zero"], [f"q{index}"]),
                helper.make_node("DequantizeLinear", [f"q{index}", f"s{index}", "zero"], [f"d{index}"]),
                helper.make_node("QuantizeLinear", [weight, f"t{index}", "zeros"], [f"qw{index}"], axis=0),
                helper.make_node("DequantizeLinear", [f"qw{index}", f"t{index}", "zeros"], [f"dw{index}"], axis=0),
            ]
            value, weight = f"d{index}", f"dw{index}"
        nodes.append(helper.make_node("Conv", [value, weight], [f"c{index}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"]))
        value = f"r{index}"
    nodes.append(helper.make_node("GlobalAveragePool", [value], ["mean"]))
    nodes.append(helper.make_node("Flatten", ["mean"], ["flat"]))
    last = "half_logits" if precision == "float16" else "logits"
    nodes.append(helper.make_node("MatMul", ["flat", "w2"], [last]))
    if precision == "float16":
        nodes.append(helper.make_node("Cast", [last], ["logits"], to=TensorProto.FLOAT))
    made = helper.make_graph(
        nodes,
        "conformance",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in stored.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def images(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 3, SIDE, SIDE)).astype(np.float32)


@pytest.fixture(scope="module", params=[(name, kind) for name in DEVICE_BACKENDS for kind in TOLERANCE], ids="-".join)
def engine(request, device):
    """A loaded engine, its precision, and whether it has plans for some buckets only."""
    name, precision = request.param
    backend = backend_that_runs(name)
    precisions = backend.probe().precisions
    if precisions and precision not in precisions:
        pytest.skip(f"{name} has no {precision} on {device.name}")
    return load_graph(backend, graph(precision), device, BUCKETS), precision, backend.has_plans


@pytest.mark.parametrize("bucket", BUCKETS)
def test_logits_are_those_of_onnx_runtime(engine, device, bucket):
    loaded, precision, _ = engine
    with device.use():
        bound = BoundGraph(loaded, device, bucket)
        for seed in range(3):
            given = images(bucket, seed)
            bound.put({"image": given})
            bound.session.enqueue(bound.stream)
            close(bound.take()["logits"], given, precision)


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_graph_reads_new_inputs(engine, device, bucket):
    loaded, precision, _ = engine
    with device.use():
        bound = BoundGraph(loaded, device, bucket)
        bound.put({"image": images(bucket, 0)})
        bound.session.enqueue(bound.stream)
        bound.stream.synchronize()
        if not bound.session.capturable:
            pytest.skip("the library cannot be captured")
        recorded = device.capture(lambda builder: bound.session.enqueue(builder.stream))
        for seed in range(1, 4):
            given = images(bucket, seed)
            bound.put({"image": given})
            recorded.launch(bound.stream)
            close(bound.take()["logits"], given, precision)


def test_a_bucket_that_was_not_prepared_is_refused(engine, device):
    if not engine[2]:
        pytest.skip("it has no plans: any bucket will do")
    with device.use(), pytest.raises(EngineError):
        BoundGraph(engine[0], device, BUCKETS[-1] + 1)


def close(found: np.ndarray, given: np.ndarray, precision: str) -> None:
    """Compare with the same graph on the CPU."""
    on_cpu = load_backend("onnxruntime").load(graph(precision), threads=1)
    expected = np.empty((len(given), CLASSES), np.float32)
    on_cpu.open({"image": given}, {"logits": expected}).run()
    assert np.abs(found - expected).max() <= TOLERANCE[precision] * np.abs(expected).max()
