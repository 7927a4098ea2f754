"""Which samples each segment of a build is calibrated on."""

from dataclasses import replace

import pytest

from eecalib.int8.survivors import FEWEST_SURVIVORS
from eecalib.record import record_exits
from eecalib.replay import replay
from eecompile.build.int8_source import int8_source
from eerun.data import digest


@pytest.fixture(scope="module")
def source_of(built):
    """Calibrate the usual network again: `(stages, calibrate_on)`."""

    def make(stages, calibrate_on):
        settings = replace(built.settings, calibrate_on=calibrate_on, calibrator="min-max")
        bare = replace(built.source, ranges=None)
        return int8_source(built.prepared, built.float32, bare, settings, stages)

    return make


def test_on_all_every_segment_sees_every_sample(built, source_of, stages):
    ranges = source_of(stages, "all").ranges
    calib = built.prepared.splits["calib"]
    assert ranges.samples == (len(calib),) * 3
    assert (ranges.method, ranges.calibrate_on, ranges.data_sha256) == ("min-max", "all", digest(calib))


def test_survivors_are_those_who_reach_a_segment_in_float32(built, source_of, stages):
    ranges = source_of(stages, "survivors").ranges
    table = record_exits(built.float32.executor, built.prepared.splits["calib"], lambda _: None)
    reached = [round(share * table.samples) for share in replay(table, built.float32.thresholds).reached]
    assert ranges.samples == tuple(max(FEWEST_SURVIVORS, count) for count in reached)
    assert ranges.samples[0] > ranges.samples[1] >= ranges.samples[2]
    told = [text for text in stages.details if "calibration samples reach it" in text]
    assert len(told) == 3
    for text, count in zip(told, reached, strict=True):
        assert f": {count} of {table.samples} calibration samples" in text
        assert ("filled up to" in text) == (count < FEWEST_SURVIVORS)


def test_the_whole_network_is_calibrated_on_all_either_way(source_of, stages):
    on_all, on_survivors = source_of(stages, "all").ranges, source_of(stages, "survivors").ranges
    assert on_all.whole == on_survivors.whole
    assert on_all.tensors != on_survivors.tensors
