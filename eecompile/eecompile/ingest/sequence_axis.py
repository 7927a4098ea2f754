"""The second symbolic axis of a graph's inputs: a dynamic sequence length, one for all inputs that have one."""

from collections.abc import Sequence
from dataclasses import replace

import onnx_ir as ir

from eecompile.input_info import InputInfo
from eengines.errors import IngestError
from eerun.bundle import LENGTH

__all__ = ["find_sequence", "sequence_axes", "with_sequences"]


def find_sequence(inputs: Sequence[ir.Value], *, allowed: bool, where: str) -> str | None:
    """Return the graph's own name of the sequence axis; None: there is none.

    Args:
        inputs: of the graph.
        allowed: whether the greatest length is known, and so such an axis is expected.
        where: the model file, for messages.

    Raises:
        IngestError: an axis that is not allowed or is missing, two of an input, or inputs that do not share one.
    """
    found: list[tuple[ir.Value, str | None]] = []
    for value in inputs:
        sizes = list(value.shape or ())
        symbols = [size for size in sizes[1:] if not isinstance(size, int)]
        shown = f"input '{value.name}' has shape [{', '.join(map(str, sizes))}]"
        if symbols and not allowed:
            remedy = "Export it with fixed sizes; for a sequence axis give its greatest length with --sequence-max"
            raise IngestError(where, f"{shown}, expected fixed sizes after the batch", remedy)
        if len(symbols) > 1:
            raise IngestError(where, f"{shown}, expected one symbolic axis after the batch", "Fix the sizes of others")
        found += [(value, symbol.value) for symbol in symbols]
    if allowed and not found:
        problem = "no input has a second symbolic axis, though a greatest sequence length is given"
        raise IngestError(where, problem, "Export it with a dynamic length, or leave out --sequence-max")
    names = {name for _, name in found}
    if len(names) > 1 or (None in names and len(found) > 1):
        listed = ", ".join(f"{value.name}: {name or 'without a name'}" for value, name in found)
        problem = f"inputs have different sequence axes: {listed}, expected one name"
        raise IngestError(where, problem, "Export it with one Dim for the length of all inputs")
    return next(iter(names), None)


def sequence_axes(model: ir.Model) -> dict[str, int]:
    """Return which axis of one sample is the sequence length, for each input of a finished graph that has one."""
    return {
        value.name or "": axis
        for value in model.graph.inputs
        for axis, size in enumerate(list(value.shape or ())[1:])
        if isinstance(size, ir.SymbolicDim) and size.value == LENGTH
    }


def with_sequences(infos: Sequence[InputInfo], model: ir.Model) -> tuple[InputInfo, ...]:
    """Return the raw inputs with the sequence axes that the finished graph has."""
    axes = sequence_axes(model)
    return tuple(replace(info, sequence=axes.get(info.name)) for info in infos)
