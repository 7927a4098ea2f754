"""Take one segment out of the graph as a model of its own."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from eecompile.split.value_facts import ValueFacts
from eengines.errors import SplitError

__all__ = ["BATCH", "extract_model", "size_operations"]

BATCH = "batch"
"""Name of the symbolic batch axis."""


def size_operations(model: ir.Model) -> set[str]:
    """Names of the nodes that only compute sizes and row numbers: from shapes and constants, never from data.

    They are cheap and are put into every segment that needs them, because the batch shrinks from segment to segment.
    """
    from_sizes: set[str] = set()
    found = set()
    for node in model.graph:
        values = [v for v in node.inputs if v is not None and v.const_value is None]
        if node.op_type in ("Shape", "Size") or all(v.name in from_sizes for v in values):
            found.add(node.name or "")
            from_sizes.update(o.name or "" for o in node.outputs)
    return found


def extract_model(
    model: ir.Model,
    facts: Mapping[str, ValueFacts],
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    operations: set[str],
) -> ir.Model:
    """Return a model that computes `outputs` from `inputs` and weights.

    Args:
        model: the whole graph; it is not changed.
        facts: what was measured of its values.
        inputs: values that are given.
        outputs: values to make.
        operations: nodes that run in this segment, size nodes aside.
    """
    source = model.clone()
    made = set(inputs)
    made.update(v.name or "" for node in source.graph if node.name in operations for v in node.outputs)
    _localise_shapes(source.graph, facts, made=made, anchor=inputs[0])
    _declare(source.graph, facts)
    graph = ir.convenience.extract(source.graph, list(inputs), list(outputs))
    for name in sorted(graph.initializers):  # extract keeps them in no order; the same network makes the same bytes
        graph.initializers.add(graph.initializers.pop(name))
    graph.name = "segment"
    result = ir.Model(graph, ir_version=model.ir_version, producer_name="eecompile")
    for domain, version in model.opset_imports.items():
        result.opset_imports[domain] = version
    return result


def _declare(graph: ir.Graph, facts: Mapping[str, ValueFacts]) -> None:
    """Write the measured shapes and types into the graph."""
    for value in [*graph.inputs, *(v for node in graph for v in node.outputs)]:
        fact = facts.get(value.name or "")
        if fact is not None:
            value.type = ir.TensorType(ir.DataType.from_numpy(np.dtype(fact.dtype)))
            if fact.is_per_sample:
                value.shape = ir.Shape([BATCH, *fact.shape[1:]])


def _localise_shapes(graph: ir.Graph, facts: Mapping[str, ValueFacts], *, made: set[str], anchor: str) -> None:
    """Replace every `Shape` of a value from elsewhere by its known sizes and the batch size of `anchor`."""
    values = {v.name: v for v in [*graph.inputs, *(o for node in graph for o in node.outputs)]}
    for node in list(graph):
        if node.op_type == "Size" and node.inputs[0] is not None and node.inputs[0].name not in made:
            raise SplitError(
                f"node {node.name!r}", "it takes the Size of a value of an earlier segment", "Use Shape instead"
            )
        if node.op_type != "Shape" or node.inputs[0] is None or node.inputs[0].name in made:
            continue
        fact = facts[node.inputs[0].name or ""]
        start = node.attributes.get_int("start", 0)
        end = node.attributes.get_int("end", len(fact.shape))
        axes = range(len(fact.shape))[start:end]
        _replace_shape(graph, node, fact, axes, values[anchor])


def _replace_shape(graph: ir.Graph, node: ir.Node, fact: ValueFacts, axes: range, anchor: ir.Value) -> None:
    """Put `Concat(sizes)` in place of a `Shape` node; an axis that follows the batch is a multiple of its size."""
    prefix = f"{node.name}/local"
    batch = ir.node("Shape", [anchor], {"start": 0, "end": 1}, name=f"{prefix}/batch")
    nodes, parts = [batch], []
    for axis in axes:
        size = ir.Value(
            name=f"{prefix}/size_{axis}",
            const_value=ir.tensor(np.array([fact.shape[axis]]), name=f"{prefix}/size_{axis}"),
        )
        graph.register_initializer(size)
        if axis in fact.batch_axes:
            product = ir.node("Mul", [batch.outputs[0], size], name=f"{prefix}/axis_{axis}")
            nodes.append(product)
            size = product.outputs[0]
        parts.append(size)
    nodes.append(ir.node("Concat", parts, {"axis": 0}, name=f"{prefix}/shape"))
    for made in nodes:
        made.outputs[0].name = f"{made.name}_value"
    graph.insert_before(node, nodes)
    node.outputs[0].replace_all_uses_with(nodes[-1].outputs[0])
    graph.remove(node, safe=True)
