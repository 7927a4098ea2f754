"""Refuse graphs whose weights lie in other files: nothing has checked what is in these."""

from eengines.errors import EngineError

__all__ = ["refuse_external_weights"]

LOCATION_KEY = b"\x0a\x08location"
"""How protobuf writes the key `location` of a `StringStringEntryProto`, with which a tensor names a file (onnx.proto,
`TensorProto.external_data`): field 1, 8 bytes."""


def refuse_external_weights(graph: bytes, where: str) -> None:
    """Check an ONNX graph, without onnx.

    Raises:
        EngineError: a tensor lies outside the file.
    """
    if LOCATION_KEY in graph:
        raise EngineError(where, "it has weights in another file, expected them inside", "Build the bundle again")
