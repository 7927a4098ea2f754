"""Ranges depend on the samples alone, and say what was wrong with them."""

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest
from branchy_segments import EXITS, branchy_samples, branchy_split

from eecalib.int8.survivors import Survivors
from eecompile.build import calibrate as module
from eecompile.build.calibrate import calibrate
from eecompile.build.lower_graphs import Lowering, lower_graphs
from eecompile.session import run_model
from eengines.backends import load_backend
from eengines.errors import DataError
from eerun.data import Samples, digest

COUNT = 130
DEEP = 40
CALIBRATORS = ("min-max", "entropy")


@pytest.fixture(scope="module")
def split():
    return branchy_split("max-probability")


@pytest.fixture(scope="module")
def samples():
    return Samples(inputs={"image": branchy_samples(COUNT, seed=3)}, labels=None)


def every(count=COUNT):
    return (Survivors(rows=np.arange(count), reached=count, padded=False),) * len(EXITS)


def some(rows):
    """All samples reach the first segment, `rows` the others."""
    rows = np.asarray(rows)
    return (every()[0], *(Survivors(rows=rows, reached=len(rows), padded=False),) * 2)


@pytest.fixture(scope="module")
def ranges_of(split):
    """Calibrate the BranchyCNN."""

    class Silent:
        def __init__(self):
            self.warnings, self.shares = [], []
            self.warn, self.progress = self.warnings.append, self.shares.append

    def make(samples, survivors, calibrator="min-max", keep=frozenset(), stages=None, of=split):
        return calibrate(
            of,
            samples,
            calibrator=calibrator,
            calibrate_on="all",
            survivors=survivors,
            keep_float=keep,
            stages=stages or Silent(),
        )

    return make


@pytest.mark.parametrize("calibrator", CALIBRATORS)
@pytest.mark.parametrize("batch", [7, 1000])
def test_batch_size_does_not_matter(ranges_of, samples, monkeypatch, calibrator, batch):
    survivors = some(range(5, 5 + DEEP))
    expected = ranges_of(samples, survivors, calibrator)
    monkeypatch.setattr(module, "CALIBRATION_BATCH", batch)
    assert ranges_of(samples, survivors, calibrator) == expected


@pytest.mark.parametrize("calibrator", CALIBRATORS)
def test_order_does_not_matter(ranges_of, samples, calibrator):
    order = np.random.default_rng(0).permutation(COUNT)
    deep = np.arange(5, 5 + DEEP)
    expected = ranges_of(samples, some(deep), calibrator)
    got = ranges_of(samples.take(order), some(np.sort(np.argsort(order)[deep])), calibrator)
    assert (got.tensors, got.whole, got.samples) == (expected.tensors, expected.whole, expected.samples)


def test_min_max_is_the_least_and_the_largest_value(ranges_of, samples, split):
    found = ranges_of(samples, every()).tensors
    values = dict(samples.inputs)
    for segment in split.segments:
        values.update(run_model(segment.model, values))
    crossing = [name for name in split.crossing if name in found]
    assert crossing
    for name in crossing:
        assert found[name].low == min(0.0, float(values[name].min()))
        assert found[name].high == pytest.approx(float(values[name].max()), rel=1e-6)


def test_survivors_narrow_the_ranges_of_their_segments_only(ranges_of, samples):
    on_all, on_some = ranges_of(samples, every()), ranges_of(samples, some(range(DEEP)))
    assert on_some.samples == (COUNT, DEEP, DEEP)
    assert on_some.whole == on_all.whole, "nobody leaves the whole network"
    assert on_some.tensors.keys() == on_all.tensors.keys()
    differ = {name for name in on_all.tensors if on_all.tensors[name] != on_some.tensors[name]}
    assert differ
    for name in differ:
        assert on_some.tensors[name].low >= on_all.tensors[name].low
        assert on_some.tensors[name].high <= on_all.tensors[name].high


def test_what_the_first_segment_makes_is_calibrated_on_all(ranges_of, samples, split):
    on_all, on_some = ranges_of(samples, every()), ranges_of(samples, some(range(DEEP)))
    first = {value.name for node in split.segments[0].model.graph for value in node.outputs}
    same = first & on_all.tensors.keys()
    assert len(same) > 2
    assert all(on_all.tensors[name] == on_some.tensors[name] for name in same)


def test_the_record(ranges_of, samples):
    found = ranges_of(samples, every(), "mse")
    assert (found.method, found.data_sha256) == ("mse", digest(samples))
    assert found.samples == (COUNT,) * 3
    assert set(found.whole) <= set(found.tensors)
    assert len(found.whole) > 5


def test_enough_samples_are_no_reason_to_warn(ranges_of, samples, stages):
    ranges_of(samples, every(), stages=stages)
    assert stages.warnings == []
    assert stages.shares[-1] == 1
    assert stages.shares == sorted(stages.shares)


def test_few_samples_warn_with_the_reason(ranges_of, samples, stages):
    few = samples.take(np.arange(40))
    ranges_of(few, every(40), stages=stages)
    (warning,) = stages.warnings
    assert "got 40 samples, expected at least 128" in warning
    assert "1 in 41 new samples will exceed" in warning


def test_no_samples(ranges_of, samples):
    with pytest.raises(DataError, match="got 0 samples, expected at least 1"):
        ranges_of(samples.take(np.arange(0)), every(0))


def spoil(split, segment, change):
    """The same network with other weights in the first convolution of a segment; returns its output's name, too."""
    fresh = branchy_split("max-probability").segments[segment]
    node = next(n for n in fresh.model.graph if n.op_type == "Conv")
    weight = node.inputs[1]
    array = weight.const_value.numpy().copy()
    change(array)
    weight.const_value = ir.tensor(array, name=weight.name)
    segments = (*split.segments[:segment], fresh, *split.segments[segment + 1 :])
    return replace(split, segments=segments), node.outputs[0].name


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize("calibrator", ["min-max", "entropy"])
def test_a_value_that_is_no_number_is_named(ranges_of, samples, split, value, calibrator):
    def change(array):
        array[0] = value

    spoilt, _ = spoil(split, 1, change)
    with pytest.raises(DataError, match="expected finite numbers") as caught:
        ranges_of(samples, every(), calibrator, of=spoilt)
    named = caught.value.where.split("'")[1]
    assert named in {v.name for node in spoilt.segments[1].model.graph for v in node.outputs}


@pytest.mark.parametrize("calibrator", ["min-max", "percentile", "entropy", "mse"])
@pytest.mark.parametrize("family", ["onnxruntime", "openvino"])
def test_zero_channels_and_black_images_still_lower_and_load(ranges_of, split, stages, calibrator, family):
    def change(array):
        array[:3] = 0

    spoilt, _ = spoil(split, 1, change)
    black = Samples(inputs={"image": np.zeros((COUNT, 2, 8, 8), np.uint8)}, labels=None)
    found = ranges_of(black, every(), calibrator, stages=stages, of=spoilt)
    source = Lowering(split=spoilt, ranges=found, keep_float=frozenset())
    graphs = lower_graphs(source, family=family, precision="int8")
    for graph in (*graphs.segments, graphs.whole):
        load_backend(family).load(graph, threads=2)
    assert all(0 <= r.high < np.inf for r in found.tensors.values())


def test_where_all_nodes_stay_float_only_what_crosses_is_calibrated(ranges_of, samples, split):
    nodes = frozenset(n.name for s in split.segments for n in s.model.graph)
    assert set(ranges_of(samples, every(), keep=nodes).tensors) <= split.crossing | {EXITS[-1]}
