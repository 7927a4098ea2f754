"""Small image networks with three exits whose last layers are fitted to made-up data: accurate without training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from eengines.backends.onnxruntime import session_options

IMAGE, CLASSES = (2, 8, 8), 4
EXITS = ("early", "middle", "final")
SCALE, MEAN = 1 / 128, 1.0
RIDGE = 1e-4


def draw_images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Four patterns, faint or clear, in noise: images `[count, 2, 8, 8] uint8`, and which pattern."""
    patterns = np.random.default_rng(0).standard_normal((CLASSES, *IMAGE))
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, count)
    clear = random.uniform(20, 60, (count, 1, 1, 1))
    images = 128 + clear * patterns[labels] + 32 * random.standard_normal((count, *IMAGE))
    return np.clip(images, 0, 255).astype(np.uint8), labels


class FittedNetwork:
    """Random convolutions; the last layer of each exit is fitted by least squares.

    Args:
        between: operator between the two convolutions of a head.
        outlier: factor on one channel between `stage_1` and `deep_1`, taken back by `deep_1`: the float network
            computes the same, INT8 has one step for all channels.
        dead: the second convolution of the second stage gives zero for every image.
    """

    def __init__(self, *, between: str = "Relu", outlier: float = 1.0, dead: bool = False) -> None:
        self.random = np.random.default_rng(7)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}
        self.heads: list[str] = []
        self.between = between
        trunk = self.convolution("stage_0", "x", 2, 8)
        self.head(0, trunk, 8, 4)
        wide = self.convolution("stage_1", trunk, 8, 12, stride=2)
        deep = self.convolution("deep_1", wide, 12, 12)
        self.add("Add", [wide, deep], "sum_1")
        self.head(1, "sum_1", 12, 12)
        last = self.convolution("stage_2", "sum_1", 12, 16)
        self.head(2, last, 16, 24)
        self.weights["stage_1_w"][3] *= outlier
        self.weights["stage_1_b"][3] *= outlier
        for name in ("deep_1_w", "project_1_w"):
            if outlier != 1:
                self.weights[name][:, 3] /= outlier
        if dead:
            self.weights["deep_1_b"][:] = -1e4

    def add(self, op: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"n_{name}", **attributes))
        return name

    def convolution(
        self, name: str, value: str, inputs: int, outputs: int, *, stride: int = 1, kernel: int = 3, relu: bool = True
    ) -> str:
        """A convolution with a ReLU; the node is called `n_NAME`."""
        scale = np.sqrt(2 / (inputs * kernel**2))
        weight = scale * self.random.standard_normal((outputs, inputs, kernel, kernel))
        self.weights[f"{name}_w"] = weight.astype(np.float32)
        self.weights[f"{name}_b"] = (0.1 * self.random.standard_normal(outputs)).astype(np.float32)
        attributes = {"kernel_shape": [kernel] * 2, "pads": [kernel // 2] * 4, "strides": [stride] * 2}
        self.add("Conv", [value, f"{name}_w", f"{name}_b"], name, **attributes)
        return self.add("Relu", [name], f"{name}_relu") if relu else name

    def head(self, index: int, value: str, channels: int, width: int) -> None:
        """Convolution, the operator in between, convolution, a grid of 2 × 2 means, and a linear layer."""
        side = 8 if index == 0 else 4
        made = self.convolution(f"project_{index}", value, channels, width, kernel=1, relu=False)
        made = self.add(self.between, [made], f"between_{index}")
        made = self.convolution(f"head_{index}", made, width, width)
        made = self.add("AveragePool", [made], f"pool_{index}", kernel_shape=[side // 2] * 2, strides=[side // 2] * 2)
        self.heads.append(self.add("Flatten", [made], f"flat_{index}", axis=1))
        self.weights[f"exit_{index}_w"] = np.zeros((4 * width, CLASSES), np.float32)
        self.weights[f"exit_{index}_b"] = np.zeros(CLASSES, np.float32)
        self.nodes.append(
            helper.make_node(
                "Gemm", [self.heads[-1], f"exit_{index}_w", f"exit_{index}_b"], [EXITS[index]], name=f"n_exit_{index}"
            )
        )

    def fit(self) -> None:
        """Set the weights of the linear layers."""
        import onnxruntime

        images, labels = draw_images(1500, seed=1)
        proto = self.model(outputs=self.heads)
        session = onnxruntime.InferenceSession(proto.SerializeToString(), session_options(2))
        features = session.run(self.heads, {"x": images.astype(np.float32) * SCALE - MEAN})
        for index, array in enumerate(features):
            inputs = np.hstack([array, np.ones((len(array), 1))])
            square = inputs.T @ inputs
            ridge = RIDGE * np.trace(square) / len(square) * np.eye(len(square))
            found = np.linalg.solve(square + ridge, 6 * inputs.T @ np.eye(CLASSES)[labels]).astype(np.float32)
            self.weights[f"exit_{index}_w"], self.weights[f"exit_{index}_b"] = found[:-1], found[-1]

    def model(self, *, outputs: Sequence[str] = EXITS) -> onnx.ModelProto:
        """`x [batch, 2, 8, 8] float32` → one output an exit."""
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *IMAGE])]
        widths = [len(self.weights[f"exit_{k}_{'b' if outputs == EXITS else 'w'}"]) for k in range(len(EXITS))]
        made = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])
            for name, width in zip(outputs, widths, strict=True)
        ]
        stored = [numpy_helper.from_array(array, name) for name, array in self.weights.items()]
        graph = helper.make_graph(self.nodes, "fitted", inputs, made, stored)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
