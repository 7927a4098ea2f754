"""Which axes of a graph's inputs and outputs have a size, for libraries that forget the names of axes."""

from collections.abc import Iterator, Mapping

from eengines.backends.wire_format import DELIMITED, VARINT, Field, MalformedError, fields_of
from eengines.errors import EngineError

__all__ = ["declared_sizes"]

GRAPH, INPUT, OUTPUT = 7, 11, 12
"""Fields of `ModelProto` and of its `GraphProto`."""

NAME, TYPE, TENSOR, SHAPE, DIM = 1, 2, 1, 2, 1
"""Fields on the way from `ValueInfoProto` to the `Dimension`s of its shape."""

DIM_VALUE, DIM_PARAM = 1, 2
"""Fields of `Dimension`: a size, or the name of an axis whose size is not fixed."""


def declared_sizes(graph: bytes, sizes: Mapping[str, int], where: str) -> dict[str, dict[int, int]]:
    """Return for each input and output of a graph the axes that have a size, and it.

    Args:
        graph: a serialised `ModelProto`.
        sizes: size of axes by their name.
        where: file or segment, for messages.

    Raises:
        EngineError: the bytes are not an ONNX graph.
    """
    try:
        return dict(_values(graph, sizes))
    except (MalformedError, UnicodeDecodeError) as error:
        raise EngineError(where, f"not an ONNX graph: {error}", "Build the bundle again") from error


def _values(content: bytes, sizes: Mapping[str, int]) -> Iterator[tuple[str, dict[int, int]]]:
    for model in _messages(content, Field(0, DELIMITED, 0, len(content), 0), (GRAPH,)):
        for value in fields_of(content, model.start, model.end):
            if value.number in (INPUT, OUTPUT) and value.wire == DELIMITED:
                name = "".join(_text(content, field) for field in _messages(content, value, (NAME,)))
                dims = enumerate(_messages(content, value, (TYPE, TENSOR, SHAPE, DIM)))
                found = {axis: _size(content, dim, sizes) for axis, dim in dims}
                yield name, {axis: size for axis, size in found.items() if size is not None}


def _size(content: bytes, dim: Field, sizes: Mapping[str, int]) -> int | None:
    """The size of an axis, by itself or by its name."""
    for field in fields_of(content, dim.start, dim.end):
        if field.number == DIM_VALUE and field.wire == VARINT:
            return field.value
        if field.number == DIM_PARAM and field.wire == DELIMITED:
            return sizes.get(_text(content, field))
    return None


def _messages(content: bytes, field: Field, path: tuple[int, ...]) -> Iterator[Field]:
    """Yield the fields that a path of field numbers leads to."""
    if not path:
        yield field
        return
    for inner in fields_of(content, field.start, field.end):
        if inner.number == path[0] and inner.wire == DELIMITED:
            yield from _messages(content, inner, path[1:])


def _text(content: bytes, field: Field) -> str:
    return content[field.start : field.end].decode()
