"""Which nodes could run in INT8, and which of their inputs carry data.

1. *Weighted*: Conv, ConvTranspose, Gemm and MatMul with constant float weights.
2. *Joining*: nodes without weights between them, which an engine may run on eight bits too: residual Add, Concat,
   pools, and operators that only move elements.
3. Never: nodes of an exit's score (`score_<k>/…`), what the user keeps in float, and every other operator. Softmax is
   among those, and so are joining nodes that make nothing but its input: attention scores, and masks added to them,
   which may be infinite.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

import onnx_ir as ir

__all__ = [
    "ACTIVATIONS",
    "FLOATS",
    "MOVING",
    "Candidate",
    "candidates",
    "fused_output",
    "is_score_node",
    "only_for_softmax",
]

WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})

AVERAGING = frozenset({"AveragePool", "GlobalAveragePool", "ReduceMean"})
"""Joining operators whose result has a narrower range than their input."""

MOVING = frozenset({"Concat", "Flatten", "MaxPool", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
"""Operators that only pick or move elements: integers go through them unchanged, so inputs and output share a scale."""

ACTIVATIONS = frozenset({"Relu", "Clip"})
"""What engines fuse into the node in front."""

FLOATS = frozenset({ir.DataType.FLOAT, ir.DataType.FLOAT16})
"""Types that weights and values may have before they are rounded."""

SCORE = re.compile(r"score_\d+/")


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A node that could run in INT8.

    Attributes:
        node: the operator.
        data: inputs that are not constants; one for a weighted node.
        weight: the constant weights, or None for a joining node.
        bias: the constant bias, or None.
        output: the result behind an activation that an engine fuses into the node.
    """

    node: ir.Node
    data: tuple[ir.Value, ...]
    weight: ir.Value | None
    bias: ir.Value | None
    output: ir.Value


def candidates(graph: ir.Graph, *, keep_float: Collection[str]) -> tuple[Candidate, ...]:
    """Return the candidates in the order of the graph, without the nodes named in `keep_float`."""
    found = []
    for node in graph:
        if node.domain or node.name in keep_float or is_score_node(node):
            continue
        candidate = _weighted(node) if node.op_type in WEIGHTED else _joining(node)
        if candidate is not None and (candidate.weight is not None or not only_for_softmax(node.outputs[0])):
            found.append(candidate)
    return tuple(found)


def is_score_node(node: ir.Node) -> bool:
    """Whether the node belongs to an exit's score."""
    return SCORE.match(node.name or "") is not None


def only_for_softmax(value: ir.Value) -> bool:
    """Whether all that reads a value, through nodes that join or spread it, is Softmax, and at least one does.

    Who only asks for its shape does not count.
    """
    waiting, found = [value], False
    while waiting:
        for reader in (node for node in waiting.pop().consumers() if node.op_type != "Shape"):
            if is_score_node(reader) or reader.op_type not in {"Softmax", "Add", "Expand", *MOVING}:
                return False
            if reader.op_type == "Softmax":
                found = True
            else:
                waiting += reader.outputs
    return found


def fused_output(node: ir.Node) -> ir.Value:
    """The node's result behind a bias Add (of a MatMul) and an activation, where nothing else reads what is between."""
    value = node.outputs[0]
    if node.op_type == "MatMul":
        value = _through(value, frozenset({"Add"}))
    return _through(value, ACTIVATIONS)


def _through(value: ir.Value, operators: Collection[str]) -> ir.Value:
    """The result of the only reader of `value`, if it is one of `operators` and has no other data input."""
    readers = value.consumers()
    if value.is_graph_output() or len(value.uses()) != 1 or readers[0].op_type not in operators:
        return value
    reader = readers[0]
    others = [v for v in reader.inputs if v is not None and v is not value]
    if is_score_node(reader) or any(v.const_value is None for v in others):
        return value
    return reader.outputs[0]


def _weighted(node: ir.Node) -> Candidate | None:
    """A node with constant float weights whose form every engine family knows, else None."""
    inputs = [*node.inputs, None, None]
    data, weight, bias = inputs[:3]
    if data is None or weight is None or data.const_value is not None or weight.const_value is None:
        return None
    rank = len(weight.const_value.shape)
    if weight.const_value.dtype not in FLOATS or (node.op_type in {"Gemm", "MatMul"} and rank != 2):
        return None
    if bias is not None and (bias.const_value is None or bias.const_value.size != _outputs(node, weight.const_value)):
        return None
    attributes = node.attributes
    plain = attributes.get_float("alpha", 1.0) == 1 == attributes.get_float("beta", 1.0)
    if node.op_type == "Gemm" and (not plain or attributes.get_int("transA", 0) == 1):
        return None
    return Candidate(node=node, data=(data,), weight=weight, bias=bias, output=fused_output(node))


def _outputs(node: ir.Node, weight: ir.TensorProtocol) -> int:
    """Number of output channels of a weighted node."""
    shape = weight.shape.numpy()
    if node.op_type == "ConvTranspose":
        return int(shape[1] * node.attributes.get_int("group", 1))
    by_row = node.op_type == "Conv" or (node.op_type == "Gemm" and node.attributes.get_int("transB", 0) == 1)
    return int(shape[0] if by_row else shape[1])


def _joining(node: ir.Node) -> Candidate | None:
    """An operator without weights that takes eight bits, else None."""
    values = [v for v in node.inputs if v is not None]
    data: tuple[ir.Value, ...] = tuple(v for v in values if v.const_value is None)
    if node.op_type == "Add" and len(data) == 2:
        return Candidate(node=node, data=data, weight=None, bias=None, output=fused_output(node))
    moves = node.op_type in MOVING or node.op_type in AVERAGING
    if not moves or len(node.outputs) != 1:
        return None
    if node.op_type == "Concat":
        data = data if len(data) == len(values) else ()
    else:
        data = data[:1] if values[0].const_value is None else ()
    if not data or any(v.dtype is not None and v.dtype not in FLOATS for v in data):
        return None
    return Candidate(node=node, data=data, weight=None, bias=None, output=node.outputs[0])
