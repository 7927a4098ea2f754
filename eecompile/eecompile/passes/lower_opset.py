"""Bring a graph down to an older ONNX opset, for an engine that does not read a newer one.

1. An operator whose definition is the same in both opsets stays.
2. One with a rule (`opset_rules`, `decompose`) is written in the older form, or in older operators.
3. Of the rest, an attribute that the older form lacks is dropped if it has its default; the number of inputs and every
   type must fit the older definition. What does not fit is refused with its name.

The public converters do not do this: onnxscript's goes down to 18 at most, and that of ONNX knows no older Split and
leaves an attribute on Reduce* that its own checker then refuses.
"""

from collections.abc import Sequence

import onnx
import onnx_ir as ir

from eecompile.passes.decompose import DECOMPOSITIONS
from eecompile.passes.opset_rules import HARMLESS, RULES
from eengines.errors import BuildError

__all__ = ["lower_opset"]


def lower_opset(model: ir.Model, *, opset: int) -> bool:
    """Change a model in place; return whether it was newer than `opset`.

    The IR version becomes at most the one that belongs to the opset. The result computes the same.

    Args:
        model: one graph without subgraphs; constants become initialisers.
        opset: the newest version of the default ONNX operators that may be left, 13 or later.

    Raises:
        BuildError: a node cannot be expressed; the model may then be half changed and must be thrown away.
    """
    from onnx_ir.passes.common import LiftConstantsToInitializersPass

    graph = model.graph
    current = graph.opset_imports[""]
    oldest_ir = onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", opset)])
    if current <= opset:
        return False
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    for node in list(graph):
        if not node.domain:
            _lower(graph, node, current, opset)
    graph.opset_imports[""] = opset
    for node in graph:
        node.version = None
    model.ir_version = min(model.ir_version, oldest_ir)
    return True


def _lower(graph: ir.Graph, node: ir.Node, current: int, opset: int) -> None:
    """Change or replace one node."""
    if any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for a in node.attributes.values()):
        raise BuildError(_where(node), "it holds a subgraph, which is not lowered", "Export without control flow")
    new = onnx.defs.get_schema(node.op_type, current)
    old = _schema(node.op_type, opset)
    if old is not None and old.since_version == new.since_version:
        return
    if node.op_type in DECOMPOSITIONS:
        DECOMPOSITIONS[node.op_type](graph, node, new.since_version)
        return
    if old is None:
        raise BuildError(
            _where(node),
            f"the operator came with ONNX opset {_first_version(node.op_type)}, the target reads up to {opset}",
            "Replace it in the network, or choose a newer target",
        )
    if node.op_type in RULES:
        RULES[node.op_type](graph, node, opset)
    if node.graph is not None:
        _fit(node, old, new, opset)


def _fit(node: ir.Node, old: onnx.defs.OpSchema, new: onnx.defs.OpSchema, opset: int) -> None:
    """Drop attributes that say nothing; refuse what the older definition does not have."""
    for name in set(node.attributes) - set(old.attributes):
        attribute, default = node.attributes[name], new.attributes[name].default_value
        is_default = default.name and onnx.helper.get_attribute_value(default) == _plain(attribute)
        if not is_default and (node.op_type, name) not in HARMLESS:
            raise BuildError(
                _where(node),
                f"attribute {name}={_plain(attribute)} is newer than ONNX opset {opset}",
                "Export without it, or choose a newer target",
            )
        del node.attributes[name]
    while node.inputs and node.inputs[-1] is None:
        node.resize_inputs(len(node.inputs) - 1)
    if len(node.inputs) > old.max_input:
        raise BuildError(
            _where(node),
            f"got {len(node.inputs)} inputs, at ONNX opset {opset} it takes {old.max_input}",
            "Export without the last ones, or choose a newer target",
        )
    _check_types(node, old.inputs, node.inputs, old, opset)
    _check_types(node, old.outputs, node.outputs, old, opset)


def _check_types(
    node: ir.Node,
    formals: Sequence[onnx.defs.OpSchema.FormalParameter],
    values: Sequence[ir.Value | None],
    schema: onnx.defs.OpSchema,
    opset: int,
) -> None:
    """Each known type must be one that the older definition allows."""
    allowed = {c.type_param_str: set(c.allowed_type_strs) for c in schema.type_constraints}
    for index, value in enumerate(values):
        dtype = None if value is None else value.dtype or getattr(value.const_value, "dtype", None)
        if value is None or dtype is None or not isinstance(value.type, ir.TensorType | None):
            continue
        formal = formals[min(index, len(formals) - 1)].type_str
        name = f"tensor({onnx.helper.tensor_dtype_to_string(int(dtype)).removeprefix('TensorProto.').lower()})"
        if name not in allowed.get(formal, {formal}):
            raise BuildError(
                _where(node),
                f"value {value.name!r} is {dtype.name.lower()}, which {node.op_type}-{schema.since_version} "
                f"of ONNX opset {opset} does not take",
                "Keep this part of the network in float32, or choose a newer target",
            )


def _plain(attribute: ir.Attr) -> object:
    """An attribute's value as the standard's defaults hold it."""
    value = attribute.value
    if isinstance(value, str):
        return value.encode()
    return list(value) if isinstance(value, tuple) else value


def _schema(op_type: str, opset: int) -> onnx.defs.OpSchema | None:
    """An operator's definition, if that opset has one."""
    return onnx.defs.get_schema(op_type, opset) if onnx.defs.has(op_type, opset) else None


def _first_version(op_type: str) -> int:
    history = onnx.defs.get_all_schemas_with_history()
    return min(s.since_version for s in history if s.name == op_type and not s.domain)


def _where(node: ir.Node) -> str:
    return f"node {node.name!r} ({node.op_type})"
