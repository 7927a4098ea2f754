"""Refuse graphs whose weights lie in other files: nothing has checked what is in these.

The graph is read as protobuf reads it, see `wire_format`. Numbers of fields: onnx.proto.
"""

from collections.abc import Mapping

from eengines.backends.wire_format import DELIMITED, VARINT, Field, MalformedError, fields_of
from eengines.errors import EngineError

__all__ = ["refuse_external_weights"]

MODEL, TENSOR = "ModelProto", "TensorProto"

INNER: Mapping[str, Mapping[int, str]] = {
    MODEL: {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "GraphProto": {1: "NodeProto", 5: TENSOR, 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: TENSOR,
        6: "GraphProto",
        10: TENSOR,
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: TENSOR, 2: TENSOR},
    TENSOR: {},
}
"""Message → number of a field that is itself a message → that message; only what leads to a tensor."""

IR_VERSION, GRAPH = 1, 7
"""Fields that every `ModelProto` has."""

EXTERNAL_DATA, DATA_LOCATION = 13, 14
"""Fields of `TensorProto`: the file, offset and length, and whether they count (0: no)."""


def refuse_external_weights(graph: bytes, where: str) -> None:
    """Check an ONNX graph, without onnx.

    Args:
        graph: a serialised `ModelProto`.
        where: file or segment, for messages.

    Raises:
        EngineError: a tensor lies outside the file, or the bytes are not an ONNX graph.
    """
    try:
        outside = _has_external_tensor(graph)
    except MalformedError as error:
        raise EngineError(where, f"not an ONNX graph: {error}", "Build the bundle again") from error
    if outside:
        raise EngineError(where, "it has weights in another file, expected them inside", "Build the bundle again")


def _has_external_tensor(content: bytes) -> bool:
    """Whether any tensor names a file. Every message is walked, so that damage behind the first tensor is found too."""
    outside, seen = False, set[int]()
    waiting = [(MODEL, 0, len(content))]  # a list and not recursion: the graph decides how deep it nests
    while waiting:
        message, start, end = waiting.pop()
        inner = INNER[message]
        for field in fields_of(content, start, end):
            if field.number in inner:
                _expect(field, DELIMITED, message)
                waiting.append((inner[field.number], field.start, field.end))
            elif message == TENSOR and field.number in (EXTERNAL_DATA, DATA_LOCATION):
                # an enum is the lower half of its varint
                outside |= field.number == EXTERNAL_DATA or field.value & 0xFFFF_FFFF != 0
            if message == MODEL:
                if field.number == IR_VERSION:
                    _expect(field, VARINT, message)
                seen.add(field.number)
    if not {IR_VERSION, GRAPH} <= seen:
        raise MalformedError("it has no version or no graph")
    return outside


def _expect(field: Field, wire: int, message: str) -> None:
    if field.wire != wire:
        raise MalformedError(f"field {field.number} of {message} has wire type {field.wire}, expected {wire}")
