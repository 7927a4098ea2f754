"""What INT8 graphs are made of: calibrated ranges, and the nodes that must stay in float."""

from dataclasses import replace

import numpy as np

from eecalib.int8.ranges import Ranges
from eecalib.int8.survivors import Survivors, survivors_of
from eecalib.record import record_exits
from eecompile.build.calibrate import Lengths, calibrate
from eecompile.build.float32_chain import Float32Chain
from eecompile.build.lower_graphs import Graphs, Lowering, lower_graphs
from eecompile.build.prepare import Prepared
from eecompile.build.sensitivity import keep_sensitive
from eecompile.build.settings import BuildSettings
from eecompile.stages import Stages

__all__ = ["int8_source"]


def int8_source(
    prepared: Prepared, float32: Float32Chain, source: Lowering, settings: BuildSettings, stages: Stages
) -> Lowering:
    """Calibrate; where INT8 is asked for, also keep in float what breaks the bound."""
    calib, buckets = prepared.recordable("calib"), [entry.length for entry in prepared.lengths]
    lengths = Lengths(prepared.inputs, buckets) if buckets else None
    survivors = _survivors(prepared, float32, settings, stages)
    title = f"calibrate on {len(calib)} samples, {settings.calibrator}"
    with stages.stage(title):
        ranges: Ranges = calibrate(
            prepared.split,
            calib,
            calibrator=settings.calibrator,
            calibrate_on=settings.calibrate_on,
            survivors=survivors,
            keep_float=source.keep_float,
            stages=stages,
            lengths=lengths,
            fold=prepared.fold,
        )
    source = replace(source, ranges=ranges)
    if settings.wanted_here == "int8":
        return keep_sensitive(prepared, float32, source, _for_judge, settings, stages)
    return source


def _for_judge(source: Lowering) -> Graphs:
    """The graphs of all engines on the CPU round the same values; ONNX Runtime's stand for them."""
    return lower_graphs(source, family="onnxruntime", precision="int8")


def _survivors(
    prepared: Prepared, float32: Float32Chain, settings: BuildSettings, stages: Stages
) -> tuple[Survivors, ...]:
    """For each segment, the rows of calibration samples that it is calibrated on."""
    calib, segments = prepared.recordable("calib"), len(prepared.split.segments)
    rows, unit = len(calib) // prepared.fold, "samples" if prepared.fold == 1 else "groups"
    if settings.calibrate_on == "all" or not rows:
        every = Survivors(rows=np.arange(rows), reached=rows, padded=False)
        return (every,) * segments
    with stages.stage("find out who survives to which segment"):
        table = record_exits(float32.executor, calib, stages.progress)
    found = survivors_of(table, float32.thresholds)
    for index, entry in enumerate(found):
        more = f", filled up to {len(entry.rows)} with those that nearly do" if entry.padded else ""
        stages.detail(f"segment {index}: {entry.reached} of {rows} calibration {unit} reach it{more}")
    return found
