"""The precision that nodes with weights really have in a graph, whatever its file is called."""

from collections import Counter
from collections.abc import Mapping

import onnx_ir as ir

__all__ = ["precision_of", "weighted_nodes"]

WEIGHTED: Mapping[str, int] = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1, "LSTM": 1, "GRU": 1, "RNN": 1}
"""Operator → which input usually holds the weights."""

PASSING = frozenset({"Cast", "DequantizeLinear", "Identity", "Reshape", "Transpose"})
"""What may stand between constant weights and the node."""

EIGHT_BITS = frozenset({ir.DataType.INT8, ir.DataType.UINT8})


def weighted_nodes(graph: ir.Graph) -> dict[str, str]:
    """Return name → precision of the nodes that multiply by constant weights, in the order of the graph."""
    found = {}
    for node in graph:
        precision = precision_of(node)
        if precision is not None:
            found[node.name or ""] = precision
    return found


def precision_of(node: ir.Node) -> str | None:
    """Return `int8`, `float16`, `bfloat16` or `float32`; None for a node without constant weights.

    A node is in INT8 if both its weights and its data come out of DequantizeLinear: engines then multiply integers.
    With data in float, as where a Q/DQ pair is missing, they multiply floats, whatever the weights are stored in.
    """
    if node.domain or node.op_type not in WEIGHTED or len(node.inputs) < 2:
        return None
    weight, data = node.inputs[WEIGHTED[node.op_type]], node.inputs[0]
    if _stored(weight) is None:
        weight, data = data, weight
    stored = _stored(weight)
    if weight is None or data is None or stored is None:
        return None
    if _dequantised(weight) and _dequantised(data) and stored in EIGHT_BITS:
        return "int8"
    computed = Counter(value.dtype for value in (*node.inputs, *node.outputs) if value is not None and value.dtype)
    return _name(stored if stored not in EIGHT_BITS else max(computed, key=lambda t: computed[t]))


def _stored(value: ir.Value | None) -> ir.DataType | None:
    """Type of the constant that a value is made from, once it is rounded; None if it is not made from one alone."""
    if value is None or value.is_graph_input():
        return None
    if value.const_value is not None:
        return value.const_value.dtype
    producer = value.producer()
    if producer is None:
        return None
    if producer.op_type == "QuantizeLinear":  # TensorRT's form: constants in float, rounded when the engine is built
        return _rounded_to(producer) if _stored(producer.inputs[0]) is not None else None
    return _stored(producer.inputs[0]) if producer.op_type in PASSING else None


def _rounded_to(node: ir.Node) -> ir.DataType:
    """Type that a QuantizeLinear rounds to: that of its zero point, else what `output_dtype` says, else uint8."""
    zero = node.inputs[2] if len(node.inputs) > 2 else None
    if zero is not None and zero.dtype is not None:
        return zero.dtype
    named = node.attributes.get_int("output_dtype", 0)
    return ir.DataType(named) if named else ir.DataType.UINT8


def _dequantised(value: ir.Value) -> bool:
    producer = value.producer()
    while producer is not None and producer.op_type in PASSING:
        if producer.op_type == "DequantizeLinear":
            return True
        source = producer.inputs[0]
        producer = None if source is None else source.producer()
    return False


def _name(dtype: ir.DataType) -> str:
    return {"FLOAT": "float32"}.get(dtype.name, dtype.name.lower())
