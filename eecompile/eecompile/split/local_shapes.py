"""Let a segment compute sizes from its own inputs, not from values of earlier segments."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import onnx_ir as ir

from eecompile.split.value_facts import ValueFacts
from eengines.errors import SplitError

__all__ = ["localise_shapes"]


class _Anchor(NamedTuple):
    """An axis of an input of a segment whose size is wanted."""

    value: ir.Value
    axis: int


class _Anchors(NamedTuple):
    """Where a segment reads its batch size, and its sequence length if an input has one."""

    batch: _Anchor
    length: _Anchor | None


def localise_shapes(
    graph: ir.Graph,
    facts: Mapping[str, ValueFacts],
    *,
    made: Collection[str],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> None:
    """Replace every `Shape` of a value from elsewhere by its known sizes, and batch and length of this segment.

    Args:
        graph: the whole graph, changed in place.
        facts: what was measured of its values.
        made: values that this segment makes or is given.
        inputs: those that it is given; the first has the batch in front.
        outputs: values that it makes for others.

    Raises:
        SplitError: a node of the segment needs a size that its inputs do not tell.
    """
    values = {v.name or "": v for v in [*graph.inputs, *(o for node in graph for o in node.outputs)]}
    anchors = _anchors(values, facts, inputs)
    for node in _needed(values, made=made, inputs=inputs, outputs=outputs):
        if node.op_type not in ("Shape", "Size") or node.inputs[0] is None or node.inputs[0].name in made:
            continue
        if node.op_type == "Size":
            raise SplitError(
                f"node {node.name!r}", "it takes the Size of a value of an earlier segment", "Use Shape instead"
            )
        fact = facts[node.inputs[0].name or ""]
        start = node.attributes.get_int("start", 0)
        end = node.attributes.get_int("end", len(fact.shape))
        axes = range(len(fact.shape))[start:end]
        if not set(axes).isdisjoint(fact.other_axes if anchors.length else (*fact.length_axes, *fact.other_axes)):
            raise SplitError(
                f"node {node.name!r}",
                f"it takes the Shape of {node.inputs[0].name!r}, whose length this segment cannot tell from its inputs",
                "Take the Shape of a value [batch, length, ...] that the segment reads",
            )
        _replace_shape(graph, node, fact, axes, anchors)


def _anchors(values: Mapping[str, ir.Value], facts: Mapping[str, ValueFacts], inputs: Sequence[str]) -> _Anchors:
    lengths = (_Anchor(values[name], axis) for name in inputs for axis in facts[name].length_axes)
    return _Anchors(batch=_Anchor(values[inputs[0]], 0), length=next(lengths, None))


def _needed(
    values: Mapping[str, ir.Value], *, made: Collection[str], inputs: Sequence[str], outputs: Sequence[str]
) -> list[ir.Node]:
    """The nodes that the outputs need, back to what the segment is given and to shapes of values from elsewhere."""
    found, waiting = dict[ir.Node, None](), [values[name] for name in outputs]
    while waiting:
        value = waiting.pop()
        node = None if value.name in inputs else value.producer()
        if node is None or node in found:
            continue
        found[node] = None
        given = [v for v in node.inputs if v is not None]
        if node.op_type not in ("Shape", "Size") or given[0].name in made:
            waiting += given
    return list(found)


def _replace_shape(graph: ir.Graph, node: ir.Node, fact: ValueFacts, axes: range, anchors: _Anchors) -> None:
    """Put `Concat(sizes)` in place of a `Shape` node; an axis that follows batch or length is a multiple of them."""
    prefix, nodes = f"{node.name}/local", list[ir.Node]()

    def size_of(anchor: _Anchor, name: str) -> ir.Value:
        start, end = anchor.axis, anchor.axis + 1
        nodes.append(ir.node("Shape", [anchor.value], {"start": start, "end": end}, name=f"{prefix}/{name}"))
        return nodes[-1].outputs[0]

    batch, parts = size_of(anchors.batch, "batch"), []
    length = None if anchors.length is None else size_of(anchors.length, "length")
    for axis in axes:
        if axis in fact.length_axes and length is not None:
            size = length
        else:
            name = f"{prefix}/size_{axis}"
            size = ir.Value(name=name, const_value=ir.tensor(np.array([fact.shape[axis]]), name=name))
            graph.register_initializer(size)
        if axis in fact.batch_axes:
            nodes.append(ir.node("Mul", [batch, size], name=f"{prefix}/axis_{axis}"))
            size = nodes[-1].outputs[0]
        parts.append(size)
    nodes.append(ir.node("Concat", parts, {"axis": 0}, name=f"{prefix}/shape"))
    for made in nodes:
        made.outputs[0].name = f"{made.name}_value"
    graph.insert_before(node, nodes)
    node.outputs[0].replace_all_uses_with(nodes[-1].outputs[0])
    graph.remove(node, safe=True)
