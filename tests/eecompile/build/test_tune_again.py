"""Thresholds of INT8 are fitted on what the quantised network says, on samples that calibration never saw."""

import numpy as np
import pytest

from eecalib.int8.ranges import Ranges
from eecalib.record import record_exits
from eecalib.replay import replay
from eecompile.build.measured_costs import MeasuredCosts, open_executor
from eecompile.build.recorded import record_splits
from eecompile.build.tune import tune
from eengines.backends import load_backend
from eerun.bundle import open_bundle
from eerun.choose_configuration import choose_configuration
from eerun.data import digest, load_data, make_splits
from eerun.executor import ChainExecutor, load_chain


@pytest.fixture(scope="module")
def splits(plain):
    return make_splits(load_data(plain.path.with_suffix(".npz"), input_names=["x"]), seed=plain.settings.seed)


@pytest.fixture(scope="module")
def replayed(for_t4, splits):
    """Thresholds in the bundle, and both splits replayed on scores recorded anew: `(precision)`."""
    bundle = open_bundle(for_t4.path)

    def make(precision):
        way = choose_configuration(bundle, engine="onnxruntime", precision=precision)
        executor = ChainExecutor(load_chain(way.chain(), load_backend(way.engine), threads=2), way.costs())
        thresholds = way.policy().thresholds
        tables = {name: record_exits(executor, splits[name], lambda _: None) for name in ("tune", "test")}
        return thresholds, tables, {name: replay(table, thresholds) for name, table in tables.items()}

    return make


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_report_is_a_replay_of_the_configurations_own_scores(for_t4, replayed, precision):
    _, _, results = replayed(precision)
    (trial,) = [t for t in for_t4.report.trials if (t.engine, t.precision) == ("onnxruntime", precision)]
    for name, told in (("tune", trial.tune), ("test", trial.test)):
        assert results[name].shares == told.shares
        assert results[name].accuracy == told.accuracy
        assert results[name].accuracy_final == told.accuracy_final


def test_scores_and_thresholds_are_not_those_of_float32(replayed):
    thresholds32, tables32, _ = replayed("float32")
    thresholds8, tables8, _ = replayed("int8")
    assert thresholds8 != thresholds32
    scores = np.unique(tables8["tune"].scores[:, 0])
    assert np.abs(scores - np.float32(thresholds8[0])).min() <= np.diff(scores).max()
    assert not np.array_equal(tables8["tune"].scores, tables32["tune"].scores)


def test_tuning_the_recorded_scores_again_gives_the_thresholds_of_the_bundle(built, stages):
    """The same search, on the quantised network's table, with its costs."""
    for trial in built.trials:
        executor = open_executor(trial.loaded, MeasuredCosts(table=trial.costs), built.prepared)
        recorded = record_splits(executor, built.prepared, stages)
        again = tune(recorded, built.float32.recorded, trial.costs, built.settings, stages)
        assert again.thresholds == trial.tuned.thresholds


def test_on_tune_the_drop_against_float32_is_kept(for_t4, replayed):
    _, _, results = replayed("int8")
    (trial,) = [t for t in for_t4.report.trials if (t.engine, t.precision) == ("onnxruntime", "int8")]
    assert results["tune"].accuracy >= (1 - 0.01) * trial.tune.accuracy_float32 - 1e-9


def test_calibration_and_tuning_share_no_sample(for_t4, splits):
    bundle = open_bundle(for_t4.path)
    stored = bundle.manifest.splits
    ranges = bundle.read_json(bundle.manifest.ranges, Ranges)
    assert ranges.data_sha256 == stored["calib"].sha256 == digest(splits["calib"])
    assert len({entry.sha256 for entry in stored.values()}) == len(stored)
    rows = {name: {image.tobytes() for image in splits[name].inputs["x"]} for name in ("calib", "tune", "test")}
    assert not rows["calib"] & (rows["tune"] | rows["test"])
    assert ranges.samples[0] == stored["calib"].samples
    assert ranges.samples == tuple(sorted(ranges.samples, reverse=True))
