"""Calibrate: run the float32 segments on *calib* and collect the ranges of their values."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eecalib.int8.calibrators import calibrator_by_name
from eecalib.int8.check_samples import check_samples
from eecalib.int8.collect import RangeCollector
from eecalib.int8.ranges import Ranges
from eecalib.int8.survivors import Survivors
from eecompile.build.graph_rows import graph_rows
from eecompile.precision.int8 import calibration_values
from eecompile.session import WatchedModel
from eecompile.split import Split
from eecompile.stages import Stages
from eengines.tensors import Array
from eerun.bundle import InputEntry
from eerun.data import Samples, digest
from eerun.executor import length_groups
from eerun.folding import rows_of

__all__ = ["CALIBRATION_BATCH", "Lengths", "calibrate", "calibration_batches"]

CALIBRATION_BATCH = 32
"""Rows whose values are held at once. The ranges do not depend on it."""


class Lengths(NamedTuple):
    """Length buckets, ascending, and the raw inputs that have them."""

    inputs: Sequence[InputEntry]
    lengths: Sequence[int]


def calibrate(  # noqa: PLR0913 - each says something else of one calibration
    split: Split,
    samples: Samples,
    *,
    calibrator: str,
    calibrate_on: str,
    survivors: Sequence[Survivors],
    keep_float: frozenset[str],
    stages: Stages,
    lengths: Lengths | None = None,
    fold: int = 1,
) -> Ranges:
    """Return the ranges of every value that some engine family may round.

    Args:
        split: float32 segments.
        samples: the *calib* split, raw.
        calibrator: its name.
        calibrate_on: `survivors` or `all`, for the record.
        survivors: for each segment, which rows it is calibrated on.
        keep_float: names of nodes that stay in float.
        stages: where progress and warnings go.
        lengths: length buckets: each sample runs in its own, as it will, so that ranges see no other padding.
        fold: images a row of the segments.

    Raises:
        DataError: there is no sample, or a value is NaN or infinite.
    """
    _warn_of_few(samples, stages)
    count = rows_of(len(samples), fold)
    chosen = calibrator_by_name(calibrator)
    in_whole = frozenset(calibration_values(split.whole, keep_float=keep_float))
    watched = _watch(split, in_whole, keep_float)
    chain, whole = RangeCollector(bins=chosen.needs_bins), RangeCollector(bins=chosen.needs_bins)
    masks = [_mask(entry, count) for entry in survivors]
    alike = all(mask.all() for mask in masks)
    done = 0
    for rows, given in calibration_batches(graph_rows(samples.inputs, fold), lengths):
        values = dict(given)
        for (model, names), mask in zip(watched, masks, strict=True):
            made = model.run(values)
            _collect(chain, made, names, mask[rows])
            if not alike:
                of_whole = [name for name in names if name in in_whole]
                _collect(whole, made, of_whole, np.ones(len(rows), np.bool_))
            values |= {name: made[name] for name in model.outputs}
        done += len(rows)
        stages.progress(done / count)
    for note in chain.notes:
        stages.warn(note)
    tensors = chain.ranges(chosen)
    return Ranges(
        method=calibrator,
        calibrate_on=calibrate_on,
        data_sha256=digest(samples),
        samples=tuple(len(entry.rows) for entry in survivors),
        tensors=tensors,
        whole={name: found for name, found in tensors.items() if name in in_whole} if alike else whole.ranges(chosen),
    )


def _warn_of_few(samples: Samples, stages: Stages) -> None:
    warning = check_samples(len(samples))
    if warning is not None:
        stages.warn(warning)


def calibration_batches(
    samples: Mapping[str, Array], lengths: Lengths | None
) -> Iterator[tuple[NDArray[np.intp], Mapping[str, Array]]]:
    """Batches of rows with their indices; with lengths, those of one length bucket together."""
    every = np.arange(len(next(iter(samples.values()))))
    groups = iter([(0, every, dict(samples))])
    if lengths is not None:
        groups = length_groups(samples, lengths.inputs, lengths.lengths)
    for _, index, rows in groups:
        for start in range(0, len(index), CALIBRATION_BATCH):
            part = slice(start, start + CALIBRATION_BATCH)
            yield index[part], {name: array[part] for name, array in rows.items()}


def _watch(
    split: Split, in_whole: frozenset[str], keep_float: frozenset[str]
) -> list[tuple[WatchedModel, tuple[str, ...]]]:
    """Each segment, with the names of the values to collect there: where they are made, or first read if given."""
    found, seen = [], set[str]()
    for segment in split.segments:
        graph = segment.model.graph
        present = [v.name or "" for v in [*graph.inputs, *(o for node in graph for o in node.outputs)]]
        wanted = set(calibration_values(segment.model, keep_float=keep_float)) | in_whole.intersection(present)
        own = tuple(name for name in present if name in wanted - seen)
        found.append((WatchedModel(segment.model, wanted), own))
        seen |= wanted
    return found


def _mask(survivors: Survivors, count: int) -> NDArray[np.bool_]:
    mask = np.zeros(count, np.bool_)
    mask[survivors.rows] = True
    return mask


def _collect(
    collector: RangeCollector, values: Mapping[str, Array], names: Sequence[str], rows: NDArray[np.bool_]
) -> None:
    """Take in some rows of some values, in the order in which they are made: the first that is NaN is the culprit."""
    if not rows.any():
        return
    for name in names:
        array = values[name]
        if array.dtype == np.float32:
            collector.add(name, array if rows.all() else array[rows])
