"""What would overflow float16 on the calibration data."""

from dataclasses import replace

from eecompile.build.lower_graphs import Lowering
from eecompile.build.prepare import Prepared
from eecompile.precision.overflow import FLOAT16_LARGEST, find_overflow, measure_largest
from eecompile.stages import Stages

__all__ = ["float16_source"]

LOOKED_AT = 128
BATCH = 32

SAFETY = 4
"""New samples may have larger values than those looked at; this factor is left between them and the largest float16."""


def float16_source(prepared: Prepared, source: Lowering, stages: Stages) -> Lowering:
    """Return what float16 graphs are made of: nodes that make or read too large values stay in float32."""
    samples = prepared.splits["calib"].inputs if "calib" in prepared.splits else prepared.samples
    with stages.stage("look for values beyond float16"):
        looked_at = prepared.rows({name: array[:LOOKED_AT] for name, array in samples.items()})
        largest = measure_largest(prepared.model, looked_at, batch=BATCH)
    found = find_overflow(prepared.model, largest, limit=FLOAT16_LARGEST / SAFETY)
    for value in found.values:
        stages.warn(
            f"value {value.value!r} reaches {value.largest:.3g}, too close to the largest float16 "
            f"({FLOAT16_LARGEST:.0f}): what makes or reads it stays float32"
        )
    crossing = frozenset(value.value for value in found.values) & source.split.crossing
    return replace(source, too_large=replace(found, keep_crossing=crossing))
