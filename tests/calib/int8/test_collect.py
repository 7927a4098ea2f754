"""Collecting ranges of several tensors."""

import numpy as np
import pytest

from eecalib.int8.calibrators import CALIBRATORS, MinMaxCalibrator, PercentileCalibrator
from eecalib.int8.collect import RangeCollector
from eecalib.int8.histogram import BINS
from eecalib.int8.ranges import TensorRange
from eengines.errors import DataError, UserError

NAMES = ("conv", "relu", "logits")


def tensors(samples: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(6)
    conv = random.laplace(size=(samples, 4, 5, 5)).astype(np.float32)
    return {"conv": conv, "relu": np.maximum(conv, 0), "logits": 3 * conv[:, :, 0, 0] - 1}


def collected(data: dict[str, np.ndarray], *, batch: int, bins: bool = True) -> RangeCollector:
    collector = RangeCollector(bins=bins)
    for start in range(0, len(data["conv"]), batch):
        for name in NAMES:
            collector.add(name, data[name][start : start + batch])
    return collector


@pytest.mark.parametrize("name", CALIBRATORS)
def test_ranges_do_not_depend_on_batch_or_order(name):
    data = tensors(96)
    calibrator = CALIBRATORS[name]()
    expected = collected(data, batch=96).ranges(calibrator)
    shuffled = {key: array[np.random.default_rng(7).permutation(96)] for key, array in data.items()}
    assert collected(data, batch=1).ranges(calibrator) == expected
    assert collected(shuffled, batch=13).ranges(calibrator) == expected
    assert tuple(expected) == NAMES


def test_extremes_alone_are_enough_for_min_max_and_only_for_that():
    data = tensors(40)
    light = collected(data, batch=16, bins=False)
    ranges = light.ranges(MinMaxCalibrator())
    assert ranges == collected(data, batch=40).ranges(MinMaxCalibrator())
    assert ranges["conv"] == TensorRange(low=float(data["conv"].min()), high=float(data["conv"].max()))
    assert ranges["relu"].low == 0
    assert light.observed["conv"].bins is None
    with pytest.raises(UserError, match=r"'conv'.*only its extremes.*'percentile'"):
        light.ranges(PercentileCalibrator())


def test_memory_does_not_grow_with_the_samples():
    few, many = collected(tensors(2), batch=2), collected(tensors(300), batch=50)
    kept = [{name: seen.bins.counts.nbytes for name, seen in some.observed.items()} for some in (few, many)]
    assert kept[0] == kept[1]
    assert sum(kept[0].values()) == (2 + 1 + 2) * BINS * 8


@pytest.mark.parametrize("bins", [True, False])
def test_constant_tensors_are_reported(bins):
    collector = RangeCollector(bins=bins)
    for _ in range(2):
        collector.add("dead", np.zeros((3, 2), np.float32))
        collector.add("stuck", np.full((3, 2), -2.5, np.float32))
        collector.add("alive", np.arange(6, dtype=np.float32))
    assert (collector.all_zero, collector.constant) == (("dead",), ("stuck",))
    assert [note.split("'")[1] for note in collector.notes] == ["dead", "stuck"]
    ranges = collector.ranges(MinMaxCalibrator())
    assert ranges["dead"] == TensorRange(low=0.0, high=0.0)
    assert ranges["stuck"] == TensorRange(low=-2.5, high=0.0)


def test_a_tensor_that_differs_between_batches_is_not_constant():
    collector = RangeCollector(bins=False)
    collector.add("t", np.ones(3, np.float32))
    collector.add("t", np.zeros(3, np.float32))
    assert collector.constant == collector.all_zero == collector.notes == ()


def test_a_tensor_without_values_is_refused():
    collector = RangeCollector(bins=True)
    collector.add("empty", np.zeros((0, 8), np.float32))
    assert collector.constant == collector.all_zero == ()
    with pytest.raises(DataError, match="'empty'"):
        collector.ranges(MinMaxCalibrator())


@pytest.mark.parametrize("bins", [True, False])
def test_the_tensor_that_is_not_finite_is_named(bins):
    collector = RangeCollector(bins=bins)
    collector.add("good", np.ones(3, np.float32))
    with pytest.raises(DataError, match=r"'bad'.*1 NaN and 1 infinite of 3"):
        collector.add("bad", np.array([np.nan, 1, np.inf], np.float32))
