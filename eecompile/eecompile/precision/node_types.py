"""What each node of a float32 graph can compute in half precision, by the operator's definition in the ONNX standard.

An operator names its types by variables (`T`, `T1`, …), each with a list of what it may be. A variable that now is
float32 may become half where its list has the half type; an input of the fixed type `tensor(float)`, as the scales of
Resize, may not. An output follows the variable that it shares with an input; one whose type no input binds (Cast,
ConstantOfShape) keeps its type.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import onnx
import onnx_ir as ir

from eecompile.precision.half_constants import HalfConstant

__all__ = ["NodeTypes", "float_node", "node_types"]

ANY_FLOAT = frozenset({"Cast", "Shape", "Size"})
"""Operators whose result is the same whichever float type they read: they take what is there."""

SCORE = re.compile(r"score_\d+/")
"""Start of the names of all nodes of an exit's score; see `add_exit_score`."""


@dataclass(frozen=True, kw_only=True)
class NodeTypes:
    """The types that a node will have.

    Attributes:
        inputs: for each input the float type that it must have; None: as it is.
        outputs: for each output its type if that is a float type; None: as it is.
        reason: why the node stays float32; None if it does not, or has no float32 at all.
    """

    inputs: tuple[ir.DataType | None, ...]
    outputs: tuple[ir.DataType | None, ...]
    reason: str | None


def node_types(
    node: ir.Node,
    *,
    opset: int,
    dtype: ir.DataType,
    keep_float: frozenset[str],
    constants: Sequence[HalfConstant | None],
) -> NodeTypes:
    """Return the types of one node.

    Args:
        node: a node of a graph in which all types are known.
        opset: of the default domain.
        dtype: FLOAT16 or BFLOAT16.
        keep_float: names of nodes that stay float32.
        constants: what became of each of the node's inputs if it is a float32 constant.
    """
    name = node.name or ""
    if SCORE.match(name):
        return float_node(node, "part of an exit's score")
    if name in keep_float:
        return float_node(node, "kept by name")
    if node.op_type in ANY_FLOAT and not node.domain:
        return replace(float_node(node, None), inputs=(None,) * len(node.inputs))
    types = _by_schema(node, opset, dtype)
    spoiled = [
        constant
        for constant, needed in zip(constants, types.inputs, strict=True)
        if constant is not None and needed is dtype and constant.spoiled
    ]
    return float_node(node, spoiled[0].reason) if spoiled else types


def float_node(node: ir.Node, reason: str | None) -> NodeTypes:
    """Return the types of a node that stays float32."""
    inputs = tuple(ir.DataType.FLOAT if _is_float(value) else None for value in node.inputs)
    outputs = tuple(ir.DataType.FLOAT if _is_float(value) else None for value in node.outputs)
    return NodeTypes(inputs=inputs, outputs=outputs, reason=reason if any((*inputs, *outputs)) else None)


def _by_schema(node: ir.Node, opset: int, dtype: ir.DataType) -> NodeTypes:
    """What the standard allows."""
    unchanged = float_node(node, None)
    if not any(unchanged.inputs):
        return unchanged
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
    except onnx.defs.SchemaError:
        return float_node(node, f"operator {node.domain}.{node.op_type} is not of the ONNX standard")
    half = f"tensor({dtype.name.lower()})"
    allowed = {c.type_param_str: half in c.allowed_type_strs for c in schema.type_constraints}
    formals = [_formal(schema.inputs, index) for index in range(len(node.inputs))]
    chosen = {
        formal
        for formal, needed in zip(formals, unchanged.inputs, strict=True)
        if needed is not None and allowed.get(formal, False)
    }
    if not chosen:
        return float_node(node, f"{node.op_type}-{schema.since_version} of ONNX has no {dtype.name.lower()}")
    outputs = [_formal(schema.outputs, index) for index in range(len(node.outputs))]
    return NodeTypes(
        inputs=tuple(
            dtype if old and formal in chosen else old for old, formal in zip(unchanged.inputs, formals, strict=True)
        ),
        outputs=tuple(
            dtype if old and formal in chosen else old for old, formal in zip(unchanged.outputs, outputs, strict=True)
        ),
        reason=None,
    )


def _formal(parameters: Sequence[onnx.defs.OpSchema.FormalParameter], index: int) -> str:
    """The type variable of an input or output; the last one of a variadic operator stands for the rest."""
    return parameters[min(index, len(parameters) - 1)].type_str


def _is_float(value: ir.Value | None) -> bool:
    return value is not None and isinstance(value.type, ir.TensorType) and value.dtype is ir.DataType.FLOAT
