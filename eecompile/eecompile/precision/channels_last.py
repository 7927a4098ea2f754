"""Let image tensors cross between segments with channels last, the order in which OpenVINO's kernels keep them."""

from collections.abc import Collection

import onnx_ir as ir

__all__ = ["channels_last"]

TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
IMAGE_RANK = 4


def channels_last(model: ir.Model, *, crossing: Collection[str]) -> None:
    """Transpose boundary values `[batch, channels, height, width]` to `[batch, height, width, channels]`, in place.

    The name stays with the boundary value. An engine that keeps channels last inside merges the transposition with the
    layout change that it would make there anyway.

    Args:
        model: a segment, or the whole network.
        crossing: names of boundary values; those that this graph does not have, or of another rank, are passed over.
    """
    graph = model.graph
    for value in list(graph.inputs):
        if value.name in crossing and _is_image(value):
            _enter(graph, value)
    for value in list(graph.outputs):
        if value.name in crossing and _is_image(value):
            _leave(graph, value)


def _is_image(value: ir.Value) -> bool:
    return value.shape is not None and len(value.shape) == IMAGE_RANK


def _permuted(shape: ir.Shape, order: tuple[int, ...]) -> ir.Shape:
    return ir.Shape([shape[axis] for axis in order])


def _enter(graph: ir.Graph, value: ir.Value) -> None:
    """Turn an input round before its first reader."""
    node = ir.node("Transpose", [value], {"perm": TO_FIRST}, name=f"{value.name}/channels_first")
    inner = node.outputs[0]
    inner.name, inner.type, inner.shape = f"{value.name}/channels_first_value", value.type, value.shape
    for reader, index in list(value.uses()):
        if reader is not node:
            reader.replace_input_with(index, inner)
    assert value.shape is not None  # noqa: S101 - `_is_image` looked
    value.shape = _permuted(value.shape, TO_LAST)
    graph.insert_before(graph[0], node)


def _leave(graph: ir.Graph, value: ir.Value) -> None:
    """Turn an output round; readers inside the segment keep the order they know."""
    name = value.name
    value.name = f"{name}/channels_first_value"
    node = ir.node("Transpose", [value], {"perm": TO_LAST}, name=f"{name}/channels_last")
    outer = node.outputs[0]
    assert value.shape is not None  # noqa: S101 - `_is_image` looked
    outer.name, outer.type, outer.shape = name, value.type, _permuted(value.shape, TO_LAST)
    graph.append(node)
    graph.outputs[graph.outputs.index(value)] = outer
