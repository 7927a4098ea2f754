"""Operators that older ONNX opsets do not have, written in ones that they do have."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from eengines.errors import BuildError

__all__ = ["DECOMPOSITIONS"]


class _Steps:
    """Nodes that take the place of one node, whose output has the shape and type of its first input."""

    def __init__(self, graph: ir.Graph, node: ir.Node) -> None:
        self.graph, self.node, self.nodes = graph, node, list[ir.Node]()
        self.output = node.outputs[0]
        first = node.inputs[0]
        self.dtype = self.output.dtype or (None if first is None else first.dtype) or ir.DataType.FLOAT

    def add(self, op_type: str, *inputs: ir.Value | None, **attributes: Any) -> ir.Value:
        """Add one node and return its result."""
        name = f"{self.output.name}/{op_type}_{len(self.nodes)}"
        made = ir.Value(name=name, type=ir.TensorType(ir.DataType.INT64 if op_type == "Shape" else self.dtype))
        self.nodes.append(ir.node(op_type, list(inputs), attributes, outputs=[made], name=name))
        return made

    def constant(self, array: Any, stem: str) -> ir.Value:
        """Add a constant: numbers in the node's type, integer arrays as they are."""
        values = np.asarray(array)
        if values.dtype.kind == "f":
            values = values.astype(self.dtype.numpy())
        name = f"{self.output.name}/{stem}"
        value = ir.Value(name=name, const_value=ir.tensor(values, name=name), shape=ir.Shape(values.shape))
        value.type = ir.TensorType(ir.DataType.from_numpy(values.dtype))
        self.graph.register_initializer(value)
        return value

    def finish(self, result: ir.Value) -> None:
        """Let `result` take the place of the node's output, name and all."""
        first = self.node.inputs[0]
        result.type = ir.TensorType(self.dtype)
        result.shape = self.output.shape or (None if first is None else first.shape)
        ir.convenience.replace_nodes_and_values(self.graph, self.node, [self.node], self.nodes, [self.output], [result])


def _gelu(graph: ir.Graph, node: ir.Node, version: int) -> None:  # noqa: ARG001 (all have one signature)
    """`x/2 · (1 + erf(x/√2))`, or `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`: ONNX, Gelu-20."""
    steps, x = _Steps(graph, node), node.inputs[0]
    if node.attributes.get_string("approximate", "none") == "tanh":
        cubed = steps.add("Mul", steps.add("Mul", x, x), x)
        inner = steps.add("Add", x, steps.add("Mul", cubed, steps.constant(0.044715, "cubic")))
        curve = steps.add("Tanh", steps.add("Mul", inner, steps.constant(np.sqrt(2 / np.pi), "factor")))
    else:
        curve = steps.add("Erf", steps.add("Mul", x, steps.constant(np.sqrt(0.5), "factor")))
    half = steps.add("Mul", x, steps.constant(0.5, "half"))
    steps.finish(steps.add("Mul", half, steps.add("Add", curve, steps.constant(1.0, "one"))))


def _mish(graph: ir.Graph, node: ir.Node, version: int) -> None:  # noqa: ARG001
    """`x · tanh(softplus(x))`: ONNX, Mish-18."""
    steps, x = _Steps(graph, node), node.inputs[0]
    steps.finish(steps.add("Mul", x, steps.add("Tanh", steps.add("Softplus", x))))


def _swish(graph: ir.Graph, node: ir.Node, version: int) -> None:  # noqa: ARG001
    """`x · sigmoid(α x)`: ONNX, Swish-24."""
    steps, x = _Steps(graph, node), node.inputs[0]
    alpha = node.attributes.get_float("alpha", 1.0)
    scaled = x if alpha == 1 else steps.add("Mul", x, steps.constant(alpha, "alpha"))
    steps.finish(steps.add("Mul", x, steps.add("Sigmoid", scaled)))


def _group_normalization(graph: ir.Graph, node: ir.Node, version: int) -> None:
    """Instance normalisation of `[batch, groups, everything else]`; then scale and bias: ONNX, GroupNormalization.

    In version 18 there is one scale a group, from 21 on one a channel.
    """
    x, scale, bias = node.inputs
    if x is None or x.shape is None:
        raise BuildError(
            f"node {node.name!r} (GroupNormalization)",
            "the rank of its input is not known, expected to rewrite it for an older ONNX opset",
            "Run shape inference, or choose a newer target",
        )
    steps, rank = _Steps(graph, node), len(x.shape)
    groups = node.attributes.get_int("num_groups", 1)
    by_group = version < 21
    inner_scale = scale if by_group else steps.constant(np.ones(groups), "ones")
    inner_bias = bias if by_group else steps.constant(np.zeros(groups), "zeros")
    grouped = steps.add("Reshape", x, steps.constant(np.array([0, groups, -1], np.int64), "grouped"))
    normal = steps.add(
        "InstanceNormalization", grouped, inner_scale, inner_bias, epsilon=node.attributes.get_float("epsilon", 1e-5)
    )
    result = steps.add("Reshape", normal, steps.add("Shape", x))
    if not by_group:
        per_channel = steps.constant(np.array([1, -1] + [1] * (rank - 2), np.int64), "per_channel")
        scaled = steps.add("Mul", result, steps.add("Reshape", scale, per_channel))
        result = steps.add("Add", scaled, steps.add("Reshape", bias, per_channel))
    steps.finish(result)


DECOMPOSITIONS: Mapping[str, Callable[[ir.Graph, ir.Node, int], None]] = {
    "Gelu": _gelu,
    "GroupNormalization": _group_normalization,
    "Mish": _mish,
    "Swish": _swish,
}
"""Operator → what writes it in older ones: given the graph, the node and the version of the operator's definition."""
