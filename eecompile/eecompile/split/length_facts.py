"""Measure which axes of a graph's values are the sequence length: it runs once more, on samples cut to half of it.

What shrinks as the inputs do is the length. A value with an axis that follows the length in another way (twice the
length, or one more) is not told from one with a fixed size in the bundle's format, so it never crosses a boundary.
"""

from collections.abc import Mapping
from dataclasses import replace

import onnx_ir as ir

from eecompile.session import run_all
from eecompile.split.value_facts import ValueFacts
from eengines.errors import SplitError
from eengines.tensors import Array

__all__ = ["measure_lengths"]


def measure_lengths(
    model: ir.Model, facts: Mapping[str, ValueFacts], samples: Mapping[str, Array], sequences: Mapping[str, int]
) -> dict[str, ValueFacts]:
    """Return the facts of every value with its axes that follow the length.

    Args:
        model: the network with all exits.
        facts: what was measured of its values on these samples.
        samples: `[samples, ...]` for each input, of the greatest length.
        sequences: the sequence axis of `[samples, ...]`, for each input that has one.

    Raises:
        SplitError: the graph fails at half the length.
    """
    greatest = next(samples[name].shape[axis] for name, axis in sequences.items())
    half, batch = greatest // 2, len(next(iter(samples.values())))
    cut = {
        name: array if name not in sequences else array.take(range(half), axis=sequences[name])
        for name, array in samples.items()
    }
    long = run_all(model, samples)
    try:
        short = run_all(model, cut)
    except SplitError as error:
        raise SplitError(
            f"graph at length {half}",
            f"{error.problem}: the graph runs at length {greatest}, but not at every shorter one",
            "Do not reshape with fixed numbers over the sequence axis",
        ) from error
    return {
        name: _measured(name, fact, (long[name], short[name]), (greatest, half), batch) for name, fact in facts.items()
    }


def _measured(
    name: str, fact: ValueFacts, seen: tuple[Array, Array], lengths: tuple[int, int], batch: int
) -> ValueFacts:
    """Compare a value at two lengths."""
    shapes = tuple(array.shape for array in seen)
    if len(shapes[0]) != len(shapes[1]):
        raise SplitError(f"value {name!r}", "its rank changes with the sequence length", "Export the network again")
    found: dict[bool, list[int]] = {True: [], False: []}
    for axis, sizes in enumerate(zip(*shapes, strict=True)):
        if sizes[0] != sizes[1]:
            factor = batch if axis in fact.batch_axes else 1
            found[sizes == (lengths[0] * factor, lengths[1] * factor)].append(axis)
    return replace(fact, length_axes=tuple(found[True]), other_axes=tuple(found[False]))
