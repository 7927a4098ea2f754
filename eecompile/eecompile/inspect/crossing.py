"""What a configuration really hands on at each boundary, read from its graphs."""

from collections.abc import Sequence

import onnx_ir as ir

from eengines.tensors import TensorSpec

__all__ = ["crossings"]


def crossings(graphs: Sequence[ir.Graph], length: int | None = None) -> tuple[tuple[TensorSpec, ...], ...]:
    """Return for each segment but the last the tensors that a survivor takes along after it.

    These are the values that a later segment reads and none of them makes. One that the segment behind a boundary does
    not need itself is listed there, too: it lies there until another one reads it.
    """
    found = []
    for index in range(1, len(graphs)):
        later = graphs[index:]
        made = {value.name for graph in later for value in graph.outputs}
        read = {value.name: value for graph in later for value in graph.inputs if value.name not in made}
        found.append(tuple(_spec(value, length) for value in read.values()))
    return tuple(found)


def _spec(value: ir.Value, length: int | None) -> TensorSpec:
    """A value as a row of one sample; behind the batch axis all is fixed but the sequence length."""
    dtype = ir.DataType.UNDEFINED if value.dtype is None else value.dtype
    shape = (
        () if value.shape is None else tuple(dim if isinstance(dim, int) else length or 0 for dim in value.shape[1:])
    )
    name = "float32" if dtype is ir.DataType.FLOAT else dtype.name.lower()
    return TensorSpec(name=value.name or "", dtype=name, shape=shape)
