"""INT8 ranges of what replaced heads compute; everything that the trunk computes keeps its ranges."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from eecalib.int8.calibrators import calibrator_by_name
from eecalib.int8.collect import RangeCollector
from eecalib.int8.ranges import Ranges
from eecompile.build.calibrate import Lengths, calibration_batches
from eecompile.session import WatchedModel
from eecompile.split import Split
from eecompile.stages import Stages
from eengines.tensors import Array

__all__ = ["observe_anew"]


def observe_anew(
    split: Split,
    ranges: Ranges,
    changed: Sequence[frozenset[str]],
    samples: Mapping[str, Array],
    lengths: Lengths | None,
    stages: Stages,
) -> Ranges:
    """Return the ranges with those of changed values taken from recent samples, by the calibrator of the build.

    The trunk has not changed, nor the values that it hands on, so their ranges stay: they were taken from all classes,
    where recent samples may be of few. All samples are looked at, whoever would leave before.

    Args:
        split: the new float32 segments.
        ranges: of the build.
        changed: for each segment the names of its changed values; empty for segments that stay.
        samples: recent raw samples.
        lengths: length buckets, see `calibrate`.
        stages: where progress and warnings go.

    Raises:
        DataError: a value is NaN or infinite.
    """
    wanted = [names & set(ranges.tensors) for names in changed]
    needed = max((index + 1 for index, names in enumerate(wanted) if names), default=0)
    calibrator = calibrator_by_name(ranges.method)
    seen = RangeCollector(bins=calibrator.needs_bins)
    watched = [WatchedModel(split.segments[index].model, wanted[index]) for index in range(needed)]
    done, count = 0, len(next(iter(samples.values())))
    for rows, given in calibration_batches(samples, lengths) if needed else ():
        values: dict[str, Array] = dict(given)
        for model, names in zip(watched, wanted, strict=False):
            made = model.run(values)
            for name in sorted(names):
                seen.add(name, made[name])
            values |= {name: made[name] for name in model.outputs}
        done += len(rows)
        stages.progress(done / count)
    for note in seen.notes:
        stages.warn(note)
    return replace(ranges, tensors={**ranges.tensors, **seen.ranges(calibrator)})
