"""Random multi-exit graphs: residual adds, concatenations, nodes with two outputs, branches, a second input."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = 4


class NetworkMaker:
    """Draws one graph; the same seed draws the same graph."""

    def __init__(self, seed: int, *, exits: int, width: int, with_mask: bool, with_shape: bool) -> None:
        self.random = np.random.default_rng(seed)
        self.width = width
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.live = [("x", width)]
        self.with_mask = with_mask
        self.with_shape = with_shape
        for index in range(exits):
            for _ in range(int(self.random.integers(1, 4))):
                self._block()
            self._exit(index)

    def model(self) -> onnx.ModelProto:
        """The graph: `x [batch, width]`, maybe `mask [batch, 1]`, one output an exit."""
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", self.width])]
        if self.with_mask:
            inputs.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch", 1]))
        graph = helper.make_graph(self.nodes, "random", inputs, self.outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        onnx.checker.check_model(model)
        return model

    def inputs(self, batch: int, seed: int) -> dict[str, np.ndarray]:
        """Random samples."""
        random = np.random.default_rng(seed)
        arrays = {"x": random.standard_normal((batch, self.width)).astype(np.float32)}
        if self.with_mask:
            arrays["mask"] = random.integers(0, 2, (batch, 1)).astype(np.float32)
        return arrays

    def _add(self, op: str, inputs: list[str], **attributes: object) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"n{len(self.nodes)}", **attributes))
        return name

    def _weight(self, array: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def _linear(self, value: str, inputs: int, outputs: int) -> str:
        weight = self.random.standard_normal((inputs, outputs)) / np.sqrt(inputs)
        return self._add("MatMul", [value, self._weight(weight.astype(np.float32))])

    def _block(self) -> None:
        """Add one of: linear + activation, residual, concatenation, mask product, batch-size reshape."""
        value, size = self.live[-1]
        kind = self.random.choice(["linear", "residual", "concat", "mask", "reshape", "parallel", "narrow"])
        if kind == "linear":
            size_out = int(self.random.integers(2, 9))
            made = self._add("Tanh", [self._linear(value, size, size_out)])
            self.live.append((made, size_out))
        elif kind == "residual":
            self.live.append((self._add("Add", [value, self._add("Relu", [self._linear(value, size, size)])]), size))
        elif kind == "concat":
            other, other_size = self.live[int(self.random.integers(0, len(self.live)))]
            self.live.append((self._add("Concat", [value, other], axis=1), size + other_size))
        elif kind == "mask" and self.with_mask:
            self.live.append((self._add("Mul", [value, "mask"]), size))
        elif kind == "parallel" and size > 1:
            self._parallel(value, size)
        elif kind == "reshape" and self.with_shape:
            self._reshape(value, size)
        else:
            mean = self._add("ReduceMean", [value, self._weight(np.array([1], np.int64))], keepdims=1)
            self.live.append((mean, 1))

    def _parallel(self, value: str, size: int) -> None:
        """A node with two outputs; one goes on at once, the other is left for whoever picks it up later."""
        left, right = f"v{len(self.nodes)}", f"v{len(self.nodes)}_right"
        sizes = self._weight(np.array([1, size - 1], np.int64))
        self.nodes.append(helper.make_node("Split", [value, sizes], [left, right], name=f"n{len(self.nodes)}", axis=1))
        self.live.append((right, size - 1))
        self.live.append((self._add("Tanh", [self._linear(left, 1, 3)]), 3))

    def _reshape(self, value: str, size: int) -> None:
        """To [batch, size, 1] and back, with the batch size read from the graph's input."""
        batch = self._add("Shape", ["x"], start=0, end=1)
        three = self._add("Concat", [batch, self._weight(np.array([size, 1], np.int64))], axis=0)
        two = self._add("Concat", [batch, self._weight(np.array([size], np.int64))], axis=0)
        self.live.append((self._add("Reshape", [self._add("Reshape", [value, three]), two]), size))

    def _exit(self, index: int) -> None:
        """A head on the last value; sometimes it also reads an older one."""
        value, size = self.live[-1]
        if self.random.random() < 0.3:
            older, older_size = self.live[int(self.random.integers(0, len(self.live)))]
            value, size = self._add("Concat", [value, older], axis=1), size + older_size
        hidden = self._add("Relu", [self._linear(value, size, 5)])
        weight = self._weight(self.random.standard_normal((5, CLASSES)).astype(np.float32))
        self.nodes.append(helper.make_node("MatMul", [hidden, weight], [f"exit_{index}"], name=f"head_{index}"))
        self.outputs.append(helper.make_tensor_value_info(f"exit_{index}", TensorProto.FLOAT, ["batch", CLASSES]))
        trunk, trunk_size = self.live[-1]
        self.live.append((self._add("Tanh", [self._linear(trunk, trunk_size, trunk_size)]), trunk_size))
