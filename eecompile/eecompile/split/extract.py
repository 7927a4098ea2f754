"""Take one segment out of the graph as a model of its own."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from eecompile.split.local_shapes import localise_shapes
from eecompile.split.value_facts import ValueFacts
from eerun.bundle import LENGTH

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
    localise_shapes(source.graph, facts, made=made, inputs=inputs, outputs=outputs)
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
                value.shape = ir.Shape([_axis(fact, axis) for axis in range(len(fact.shape))])


def _axis(fact: ValueFacts, axis: int) -> int | str:
    """The size of an axis, or its name."""
    if axis == 0:
        return BATCH
    return LENGTH if axis in fact.length_axes else fact.shape[axis]
