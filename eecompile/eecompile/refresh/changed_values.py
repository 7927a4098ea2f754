"""Two versions of one segment, before and after its head has learned: the same graph, some other weights."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

__all__ = ["changed_values", "same_but_for_weights"]

CONTENT = ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")
"""Fields of a stored tensor that hold its elements."""


def same_but_for_weights(old: "ModelProto", new: "ModelProto") -> bool:
    """Whether two models differ in the elements of stored tensors at most, so that they cost the same to run."""
    return _without_elements(old) == _without_elements(new)


def changed_values(old: "ModelProto", new: "ModelProto") -> frozenset[str]:
    """Return the names of the values of `new` that depend on a stored tensor with other elements than in `old`."""
    before = {tensor.name: _elements(tensor) for tensor in old.graph.initializer}
    changed = {tensor.name for tensor in new.graph.initializer if _elements(tensor) != before.get(tensor.name)}
    weights = frozenset(changed)
    for node in new.graph.node:
        if changed.intersection(node.input):
            changed.update(name for name in node.output if name)
    return frozenset(changed - weights)


def _without_elements(model: "ModelProto") -> bytes:
    copy = type(model)()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        for field in CONTENT:
            tensor.ClearField(field)
    return bytes(copy.SerializeToString(deterministic=True))


def _elements(tensor: "TensorProto") -> bytes:
    return bytes(tensor.SerializeToString(deterministic=True))
