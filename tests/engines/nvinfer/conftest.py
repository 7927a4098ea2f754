"""Graphs for TensorRT, and a small evaluator of what a repair has made of a network."""

from collections.abc import Sequence

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

SIDE = 8
CLASSES = 4


class Graphs:
    """Serialized ONNX graphs; the same arguments make the same graph."""

    def made(self, nodes, inputs, outputs, weights=(), opset=20) -> bytes:
        """A graph from nodes; inputs and outputs are `(name, type, shape behind the batch)`."""
        graph = helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info(name, kind, ["batch", *shape]) for name, kind, shape in inputs],
            [helper.make_tensor_value_info(name, kind, ["batch", *shape]) for name, kind, shape in outputs],
            [numpy_helper.from_array(np.asarray(array), name) for name, array in weights],
        )
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid("some.where", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()

    def one(self, op, shape, out, *weights, kind=TensorProto.FLOAT, left=False, **attributes) -> bytes:
        """A graph of one node called `node`: `x`, then constants (before `x` if `left`)."""
        names = [f"w{index}" for index in range(len(weights))]
        operands = [*names, "x"] if left else ["x", *names]
        node = helper.make_node(op, operands, ["y"], name="node", **attributes)
        return self.made([node], [("x", kind, shape)], [("y", kind, out)], zip(names, weights, strict=True))

    def convolutions(self, kind=TensorProto.FLOAT, *, depth=3, width=8, rounded=False) -> bytes:
        """Convolutions, a pool and `Gemm`; `rounded`: Q/DQ on every weighted node's input and weight."""
        random, nodes, weights = np.random.default_rng(0), [], []
        dtype = helper.tensor_dtype_to_np_dtype(kind)

        def weight(name: str, array) -> str:
            weights.append((name, np.asarray(array).astype(dtype)))
            return name

        def round_(value: str, scale) -> str:
            if not rounded:
                return value
            weights.append((f"{value}_scale", np.asarray(scale).astype(dtype)))
            weights.append((f"{value}_zero", np.zeros(np.shape(scale), np.int8)))
            scales = [f"{value}_scale", f"{value}_zero"]
            axis = {"axis": 0} if np.ndim(scale) else {}
            nodes.append(helper.make_node("QuantizeLinear", [value, *scales], [f"{value}_q"], f"{value}/q", **axis))
            nodes.append(
                helper.make_node("DequantizeLinear", [f"{value}_q", *scales], [f"{value}_dq"], f"{value}/dq", **axis)
            )
            return f"{value}_dq"

        value, channels = "x", 3
        for index in range(depth):
            kernel = weight(f"k{index}", 0.2 * random.standard_normal((width, channels, 3, 3)))
            operands = [round_(value, 0.05), round_(kernel, np.full(width, 0.01)), weight(f"b{index}", np.ones(width))]
            nodes.append(helper.make_node("Conv", operands, [f"c{index}"], f"conv{index}", pads=[1] * 4))
            nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"], f"relu{index}"))
            value, channels = f"r{index}", width
        nodes.append(helper.make_node("GlobalAveragePool", [value], ["pooled"], "pool"))
        nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], "flatten"))
        matrix = weight("matrix", random.standard_normal((CLASSES, width)))
        operands = [round_("flat", 0.05), round_(matrix, np.full(CLASSES, 0.02)), weight("bias", np.ones(CLASSES))]
        nodes.append(helper.make_node("Gemm", operands, ["y"], "fc", transB=1))
        outputs = [("y", kind, [CLASSES]), (value, kind, [width, SIDE, SIDE])]
        return self.made(nodes, [("x", kind, [3, SIDE, SIDE])], outputs, weights)


@pytest.fixture(scope="session")
def graphs() -> Graphs:
    return Graphs()


class Evaluator:
    """Computes a network of the few layers that products are written with, in float64, on numpy arrays.

    Networks cannot run where there is no GPU; what a repair writes is checked by reading it back.
    """

    def __init__(self, trt, network, inputs) -> None:
        self.trt = trt
        self.values = {network.get_input(i).name: inputs[network.get_input(i).name] for i in range(network.num_inputs)}
        waiting = [network.get_layer(index) for index in range(network.num_layers)]
        while waiting:
            ready = [layer for layer in waiting if all(t.name in self.values for t in self.inputs(layer))]
            assert ready, [layer.name for layer in waiting]
            for layer in ready:
                self.values[layer.get_output(0).name] = self.evaluate(
                    layer, [self.values[t.name] for t in self.inputs(layer)]
                )
            waiting = [layer for layer in waiting if layer not in ready]
        self.outputs = {
            network.get_output(i).name: self.values[network.get_output(i).name] for i in range(network.num_outputs)
        }

    def inputs(self, layer):
        tensors = [layer.get_input(index) for index in range(layer.num_inputs)]
        return [tensor for tensor in tensors if tensor is not None]

    def evaluate(self, layer, values: Sequence[np.ndarray]) -> np.ndarray:
        kind = layer.type.name
        classes = {"CONSTANT": "IConstantLayer", "SHUFFLE": "IShuffleLayer", "MATRIX_MULTIPLY": "IMatrixMultiplyLayer"}
        if kind in classes:
            layer.__class__ = getattr(self.trt, classes[kind])
        return getattr(self, kind.lower())(layer, values)

    def constant(self, layer, _values):
        return np.asarray(layer.weights, np.float64).reshape(tuple(layer.shape))

    def cast(self, layer, values):
        return (
            values[0].astype(np.float16).astype(np.float64) if "HALF" in str(layer.get_output(0).dtype) else values[0]
        )

    def shuffle(self, layer, values):
        value = np.transpose(values[0], tuple(layer.first_transpose)[: values[0].ndim])
        if len(values) == 1:
            sizes = [value.shape[i] if size == 0 else size for i, size in enumerate(tuple(layer.reshape_dims))]
            value = value.reshape(sizes)
        return np.transpose(value, tuple(layer.second_transpose)[: value.ndim])

    def matrix_multiply(self, layer, values):
        turned = [
            np.swapaxes(v, -1, -2) if "TRANSPOSE" in str(op) else v
            for v, op in zip(values, (layer.op0, layer.op1), strict=True)
        ]
        return turned[0] @ turned[1]

    def convolution(self, _layer, values):
        assert values[1].shape[2:] == (1, 1)
        return np.einsum("nchw,oc->nohw", values[0], values[1][:, :, 0, 0])


@pytest.fixture(scope="session")
def evaluate():
    return Evaluator
