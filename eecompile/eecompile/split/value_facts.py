"""Measure every value of a graph: shape, dtype, where the batch axis is, and whether samples stay apart.

Shapes that a graph declares may be missing or wrong; a run tells. The graph runs in ONNX Runtime with every value as an
output, on batches of 2 and 3 samples (what grows from 2 to 3 follows the batch), and on the 3 samples in another order.
A value in which samples do not influence each other comes out in that order too, and its first two rows are the same
with and without the third sample.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from eecompile.session import run_all
from eengines.errors import SplitError
from eengines.tensors import Array

__all__ = ["ValueFacts", "measure_values"]

ORDER = np.array([2, 0, 1])
RELATIVE_TOLERANCE = 1e-2
"""Of the value's largest magnitude. Rounding is below 1e-4 of it; another sample's influence is of its own size."""


@dataclass(frozen=True, kw_only=True)
class ValueFacts:
    """What was seen of one value.

    Attributes:
        dtype: numpy's name of the element type.
        shape: shape with 1 in place of the batch; an axis that batch and something else share has that something.
        batch_axes: axes that grow with the batch.
        length_axes: axes that are the sequence length, or that and the batch folded into one; `shape` has the greatest
            length there.
        other_axes: axes that follow the length in another way, such as twice the length.
    """

    dtype: str
    shape: tuple[int, ...]
    batch_axes: tuple[int, ...]
    length_axes: tuple[int, ...] = ()
    other_axes: tuple[int, ...] = ()

    @property
    def is_per_sample(self) -> bool:
        """Whether row `i` along axis 0 is sample `i`, and the axes behind it are fixed or the sequence length."""
        return self.batch_axes == (0,) and self.shape[0] == 1 and not self.other_axes

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Every value of three runs: on samples 0 and 1, on samples 0, 1 and 2, and on samples 2, 0 and 1."""

    two: Mapping[str, Array]
    three: Mapping[str, Array]
    reordered: Mapping[str, Array]


def measure_values(model: ir.Model, samples: Mapping[str, Array], *, without: set[str]) -> dict[str, ValueFacts]:
    """Return the facts of every value but initialisers.

    Args:
        model: the network with all exits.
        samples: three different samples, `[3, ...]` for each input.
        without: nodes that may depend on the number of samples: those that compute sizes.

    Raises:
        SplitError: the graph fails at batch 2 or 3, or samples influence each other.
    """
    two = _run(model, {name: array[:2] for name, array in samples.items()}, 2)
    three = _run(model, samples, 3)
    facts = {name: _facts(name, two[name], three[name]) for name in three}
    reordered = _run(model, {name: array[ORDER] for name, array in samples.items()}, 3)
    nodes = [node for node in model.graph if node.name not in without]
    _check_apart(nodes, facts, Seen(two=two, three=three, reordered=reordered))
    return facts


def _run(model: ir.Model, inputs: Mapping[str, Array], batch: int) -> dict[str, Array]:
    try:
        return run_all(model, inputs)
    except SplitError as error:
        raise SplitError(
            f"graph at batch {batch}",
            f"{error.problem}: the graph does not run at every batch size",
            "Keep the batch in axis 0 on its own; do not reshape with fixed numbers over it",
        ) from error


def _facts(name: str, two: Array, three: Array) -> ValueFacts:
    """Compare a value at batch 2 and at batch 3."""
    if not isinstance(three, np.ndarray):
        raise SplitError(f"value {name!r}", f"it is a {type(three).__name__}, not a tensor", "Export without sequences")
    if two.ndim != three.ndim:
        raise SplitError(f"value {name!r}", "its rank changes with the batch", "Export the network again")
    shape, axes = [], []
    for axis, (a, b) in enumerate(zip(two.shape, three.shape, strict=True)):
        if a == b:
            shape.append(a)
        elif a * 3 == b * 2:
            shape.append(a // 2)
            axes.append(axis)
        else:
            raise SplitError(
                f"value {name!r}",
                f"axis {axis} is {a} at batch 2 and {b} at batch 3, so its size does not follow the batch",
                "Keep the batch in axis 0 on its own",
            )
    return ValueFacts(dtype=three.dtype.name, shape=tuple(shape), batch_axes=tuple(axes))


def _check_apart(nodes: Sequence[ir.Node], facts: Mapping[str, ValueFacts], seen: Seen) -> None:
    """Refuse the first node whose output mixes samples."""
    for node in nodes:
        for value in node.outputs:
            name = value.name or ""
            if name not in facts:
                continue
            where = f"node {node.name!r} ({node.op_type}), value {name!r}"
            axes = facts[name].batch_axes
            if len(axes) > 1:
                raise SplitError(where, f"axes {list(axes)} all grow with the batch", "Do not combine samples")
            if not _is_apart(name, facts[name], seen):
                raise SplitError(
                    where,
                    "its result for a sample depends on the other samples of the batch",
                    "Remove what mixes them: a reduction, softmax, reshape or normalisation over the batch axis",
                )


def _is_apart(name: str, fact: ValueFacts, seen: Seen) -> bool:
    """Whether a value follows the order of the samples, and does not change when one more is there."""
    if not fact.batch_axes:
        return _same(seen.three[name], seen.reordered[name])
    axis = fact.batch_axes[0]
    if fact.shape[axis] != 1:
        return True  # the batch is folded into another axis here; what comes out of it is checked further down
    follows = _same(seen.three[name].take(ORDER, axis=axis), seen.reordered[name])
    return follows and _same(seen.two[name], seen.three[name].take([0, 1], axis=axis))


def _same(a: Array, b: Array) -> bool:
    """Whether two arrays agree up to rounding."""
    if a.dtype.kind not in "fc":
        return bool(np.array_equal(a, b))
    wide = a.astype(np.float64), b.astype(np.float64)
    scale = max(float(np.abs(np.nan_to_num(wide[0], posinf=0, neginf=0)).max(initial=0.0)), 1e-6)
    return bool(np.allclose(wide[0], wide[1], rtol=0, atol=RELATIVE_TOLERANCE * scale, equal_nan=True))
