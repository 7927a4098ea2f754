"""Find the values that would overflow float16, on data.

Float16 ends at 65504 (IEEE 754 binary16); bfloat16 has float32's range, and nothing to check.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from eecompile.precision.node_types import SCORE
from eecompile.session import run_all
from eengines.errors import BuildError
from eengines.tensors import Array

__all__ = ["FLOAT16_LARGEST", "Overflow", "OverflowValue", "find_overflow", "measure_largest"]

FLOAT16_LARGEST = 65504.0
"""Largest finite float16."""


@dataclass(frozen=True, kw_only=True)
class OverflowValue:
    """A value beyond the limit.

    Attributes:
        value: its name.
        node: name of the node that makes it; None for a graph input.
        largest: largest finite magnitude seen.
    """

    value: str
    node: str | None
    largest: float


@dataclass(frozen=True, kw_only=True)
class Overflow:
    """What must stay float32 for these data; all empty if nothing overflows.

    Attributes:
        values: in the order of the graph.
        keep_float: names of the nodes that make or read such a value.
        keep_crossing: such values that are graph inputs or outputs: they must not cross in float16.
    """

    values: tuple[OverflowValue, ...]
    keep_float: frozenset[str]
    keep_crossing: frozenset[str]


def measure_largest(model: ir.Model, samples: Mapping[str, Array], *, batch: int) -> dict[str, float]:
    """Return the largest finite magnitude of every float32 value but constants and the values of scores.

    Memory is that of all values of one batch.

    Args:
        model: float32; it is not changed.
        samples: calibration data, `[samples, ...]` for each graph input.
        batch: samples in one run.

    Raises:
        BuildError: there are no samples, or a value is NaN in float32 already.
    """
    count = min((len(array) for array in samples.values()), default=0)
    if count == 0:
        raise BuildError("overflow check", "got no samples, expected at least 1", "Give calibration data with --data")
    largest: dict[str, float] = {}
    names = [str(value.name) for value in _values(model.graph)]
    for start in range(0, count, batch):
        seen = run_all(model, {name: array[start : start + batch] for name, array in samples.items()})
        for name in names:
            if name in seen and seen[name].dtype == np.float32:
                largest[name] = max(largest.get(name, 0.0), _largest(name, seen[name], start))
    return largest


def find_overflow(model: ir.Model, largest: Mapping[str, float], *, limit: float) -> Overflow:
    """Compare what was measured with a limit.

    Args:
        model: the float32 graph that was measured.
        largest: from `measure_largest`, or the `amax` of calibrated ranges; values that are not in it are not checked.
        limit: `FLOAT16_LARGEST` divided by a safety factor: calibration does not see every input.
    """
    found, nodes, boundary = [], set[str](), set[str]()
    ends = {*model.graph.inputs, *model.graph.outputs}
    for value in _values(model.graph):
        name = value.name or ""
        if largest.get(name, 0.0) <= limit:
            continue
        producer = value.producer()
        found.append(OverflowValue(value=name, node=None if producer is None else producer.name, largest=largest[name]))
        nodes.update(node.name or "" for node in (producer, *value.consumers()) if node is not None)
        if value in ends:
            boundary.add(name)
    return Overflow(values=tuple(found), keep_float=frozenset(nodes), keep_crossing=frozenset(boundary))


def _values(graph: ir.Graph) -> Collection[ir.Value]:
    """Inputs and results, without those of scores, which are float32 anyway."""
    made = [value for node in graph if not SCORE.match(node.name or "") for value in node.outputs]
    return [value for value in (*graph.inputs, *made) if value.name]


def _largest(name: str, array: Array, start: int) -> float:
    """The largest finite magnitude. Infinity is not an overflow: masks use it, and half has it too."""
    top, bottom = float(array.max(initial=0.0)), float(array.min(initial=0.0))
    if np.isnan(top):
        raise BuildError(
            f"value {name!r}",
            f"it is NaN in float32, within {len(array)} calibration samples from sample {start} on",
            "Check the network and its data",
        )
    if np.isinf(top) or np.isinf(bottom):
        return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))
    return max(top, -bottom)
