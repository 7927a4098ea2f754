"""Multiply-accumulates of a node, for one sample."""

from collections.abc import Mapping
from math import prod

import onnx_ir as ir

from eecompile.split.value_facts import ValueFacts

__all__ = ["HEAVY_OPS", "node_macs"]

HEAVY_OPS = frozenset(
    {"Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "Gemm", "MatMul", "MatMulInteger", "QLinearMatMul"}
    | {"Einsum", "LSTM", "GRU", "RNN", "Attention", "DeformConv"}
)
"""Operators whose work is multiply-accumulates: a cut never makes one run before an exit that does not need it."""


def node_macs(node: ir.Node, facts: Mapping[str, ValueFacts]) -> int:
    """Return the multiply-accumulates of one sample; 0 for operators that have none.

    Recurrent and attention operators are counted by their weights only (a lower bound).
    """
    if node.op_type not in HEAVY_OPS:
        return 0
    output = _shape(node.outputs[0], facts)
    if node.op_type in ("Conv", "ConvInteger", "QLinearConv"):
        return prod(output) * prod(_shape(_weight(node), facts)[1:])
    if node.op_type == "ConvTranspose":
        return prod(_shape(node.inputs[0], facts)) * prod(_shape(node.inputs[1], facts)[1:])
    if node.op_type in ("Gemm", "MatMul", "MatMulInteger", "QLinearMatMul"):
        return prod(output) * _inner(node, facts)
    weights = (value for value in node.inputs if value is not None and value.const_value is not None)
    return sum(prod(_shape(value, facts)) for value in weights)


def _weight(node: ir.Node) -> ir.Value | None:
    return node.inputs[3] if node.op_type == "QLinearConv" else node.inputs[1]


def _inner(node: ir.Node, facts: Mapping[str, ValueFacts]) -> int:
    """The length that a matrix product sums over."""
    shape = _shape(node.inputs[0], facts)
    transposed = node.op_type == "Gemm" and node.attributes.get_int("transA", 0) == 1
    return shape[0] if transposed else shape[-1]


def _shape(value: ir.Value | None, facts: Mapping[str, ValueFacts]) -> tuple[int, ...]:
    """Shape with 1 for the batch."""
    if value is None:
        return ()
    if value.const_value is not None:
        return tuple(value.const_value.shape.numpy())
    return facts[value.name or ""].shape
