"""Turn a float32 graph into a typed float16 or bfloat16 graph.

1. Graph inputs and outputs named in `crossing` become half: what crosses a boundary is half the bytes. All others keep
   their type: raw user inputs, logits, scores, carried state.
2. Raw inputs are converted and normalised in float32 (`conversion_nodes`); one Cast follows.
3. A node computes in half where the ONNX standard lets it (`node_types`). The nodes of a score never do, nor those
   named in `keep_float`, nor those with a constant that half precision spoils.
4. A Cast stands only where a float32 and a half value meet, one for each value and type. Constants are converted, not
   cast; one that both kinds of node read is there twice.
5. Types in the graph are the whole truth: no engine needs a precision flag, and none may choose another.

ONNX knows convolution and pooling in bfloat16 from opset 22 on; for BFLOAT16 an older graph is raised to it.
"""

from dataclasses import dataclass, field

import onnx_ir as ir

from eecompile.passes.raise_opset import raise_opset
from eecompile.precision.half_constants import HalfConstant, half_constant
from eecompile.precision.half_rewriter import HalfRewriter
from eecompile.precision.input_conversion import conversion_nodes
from eecompile.precision.node_types import NodeTypes, float_node, node_types
from eengines.errors import BuildError

__all__ = ["HALF_TYPES", "FloatNode", "HalfReport", "to_half"]

HALF_TYPES = (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)
BFLOAT16_OPSET = 22


@dataclass(frozen=True, kw_only=True)
class FloatNode:
    """A node that stays float32, and why."""

    name: str
    op_type: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class HalfReport:
    """What `to_half` did.

    Attributes:
        dtype: FLOAT16 or BFLOAT16.
        half_nodes: names of the nodes that compute in it.
        float_nodes: the nodes that stay float32, scores and input conversion included.
        casts: number of Cast nodes added.
        overflowing: constants with elements beyond the type's range; their nodes stay float32.
        vanishing: constants with elements that would be, or are, rounded to zero.
    """

    dtype: ir.DataType
    half_nodes: tuple[str, ...]
    float_nodes: tuple[FloatNode, ...]
    casts: int
    overflowing: tuple[HalfConstant, ...] = field(repr=False)
    vanishing: tuple[HalfConstant, ...] = field(repr=False)


def to_half(model: ir.Model, *, dtype: ir.DataType, crossing: frozenset[str], keep_float: frozenset[str]) -> HalfReport:
    """Change a model in place.

    Args:
        model: a segment or the whole network, float32, nodes in topological order.
        dtype: FLOAT16 or BFLOAT16.
        crossing: names of boundary values that become half; those that this graph does not have, or that are not
            float32, are passed over. Raw user inputs that cross, logits and carried state do not belong in it.
        keep_float: names of nodes that stay float32; unknown ones are passed over, for one set serves all segments.

    Raises:
        BuildError: a type that is not half, a node that holds a subgraph, a value without a type, or an operator that
            cannot be raised to the opset that bfloat16 needs. The model may then be half changed.
    """
    _check(model, dtype)
    _normalise(model, dtype)
    graph = model.graph
    raw = [value for value in graph.inputs if value.name not in crossing]
    conversion = conversion_nodes(graph, raw)
    constants = {
        value: half_constant(name, value.const_value.numpy(), dtype)
        for name, value in graph.initializers.items()
        if value.const_value is not None and value.const_value.dtype is ir.DataType.FLOAT
    }
    types = {
        node: float_node(node, "input conversion")
        if node in conversion
        else node_types(
            node,
            opset=graph.opset_imports[""],
            dtype=dtype,
            keep_float=keep_float,
            constants=[None if value is None else constants.get(value) for value in node.inputs],
        )
        for node in graph
    }
    casts = HalfRewriter(graph, dtype, types, constants).rewrite(crossing)
    return _report(dtype, types, constants, casts)


def _report(
    dtype: ir.DataType, types: dict[ir.Node, NodeTypes], constants: dict[ir.Value, HalfConstant], casts: int
) -> HalfReport:
    """Say what was done."""
    return HalfReport(
        dtype=dtype,
        half_nodes=tuple(node.name or "" for node, each in types.items() if dtype in (*each.inputs, *each.outputs)),
        float_nodes=tuple(
            FloatNode(name=node.name or "", op_type=node.op_type, reason=each.reason)
            for node, each in types.items()
            if each.reason is not None
        ),
        casts=casts,
        overflowing=tuple(constant for constant in constants.values() if constant.overflowing),
        vanishing=tuple(constant for constant in constants.values() if constant.vanishing),
    )


def _check(model: ir.Model, dtype: ir.DataType) -> None:
    """Refuse what cannot be converted."""
    if dtype not in HALF_TYPES:
        raise BuildError("half precision", f"got {dtype.name}, expected FLOAT16 or BFLOAT16", "Choose one of the two")
    for node in model.graph:
        if any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for a in node.attributes.values()):
            raise BuildError(
                f"node {node.name!r} ({node.op_type})",
                f"it holds a subgraph, expected a plain graph to convert to {dtype.name.lower()}",
                "Export the network without control flow",
            )


def _normalise(model: ir.Model, dtype: ir.DataType) -> None:
    """Constants as initialisers, an opset that knows the type, and a type for every value."""
    from onnx_ir.passes.common import LiftConstantsToInitializersPass, ShapeInferencePass

    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    if dtype is ir.DataType.BFLOAT16:
        raise_opset(model, BFLOAT16_OPSET)
    for value in model.graph.initializers.values():
        if value.type is None and value.const_value is not None:
            value.type = ir.TensorType(value.const_value.dtype)
    if _untyped(model.graph) is not None:
        ShapeInferencePass()(model)
    missing = _untyped(model.graph)
    if missing is not None:
        raise BuildError(f"value {missing!r}", "its type is not known", "Export the network again, or keep it float32")


def _untyped(graph: ir.Graph) -> str | None:
    """The first value without a type."""
    values = (value for node in graph for value in node.outputs if value.name)
    return next((str(value.name) for value in values if value.type is None), None)
