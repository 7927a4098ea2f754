"""Graphs that ONNX Runtime runs on arrays of numpy, with its provider for CPUs in place of the one for CUDA."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from eengines.backends.onnxruntime_stream import Provider

CPU = Provider(
    name="CPUExecutionProvider",
    memory="cpu",
    ordinal=0,
    options=lambda _: {},
    exclusive=False,
    package="onnxruntime",
)


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
