"""A bench run on a real bundle; its counts and answers are checked, its times are not."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import eerun
from eengines.errors import BundleError, DataError, InputError
from eerun.bench import BenchResult, BenchSettings, Scenario, csv_table, json_report, run_bench, text_report
from eerun.data import load_data, make_splits


def settings(bundle: Path, **changes: object) -> BenchSettings:
    return replace(BenchSettings(bundle=bundle, batch=8, duration_s=0.1, warm_up_ms=0.0, threads=2), **changes)


@pytest.fixture(scope="module")
def offline(tiny_bundle) -> tuple[BenchResult, list[float]]:
    shown: list[float] = []
    return run_bench(settings(tiny_bundle.path), shown.append), shown


def test_accuracy_agreement_and_shares_are_those_of_the_test_split(offline, tiny_bundle):
    result = offline[0]
    test = make_splits(load_data(tiny_bundle.data, input_names=["x"]), seed=0)["test"]
    model = eerun.load(tiny_bundle.path, threads=2)
    chain, whole = model.infer(test.inputs), model.infer(test.inputs, exits=False)
    assert result.quality.samples == len(test)
    assert result.quality.accuracy == pytest.approx((chain.labels == test.labels).mean())
    assert result.quality.accuracy_whole == pytest.approx((whole.labels == test.labels).mean())
    assert result.quality.agreement == pytest.approx((chain.labels == whole.labels).mean())
    assert result.quality.agreement_exits_off == 1.0
    for index, exit_ in enumerate(result.exits):
        here = chain.exit_index == index
        assert 0 < exit_.share == pytest.approx(here.mean())
        assert exit_.accuracy == pytest.approx((chain.labels == test.labels)[here].mean())
    assert result.exits[1].agreement == 1.0


def test_the_sums_fit_together(offline):
    result = offline[0]
    assert {result.chain.batches, result.exits_off.batches} == {b.speed.batches for b in result.baselines.values()}
    assert result.chain.samples == result.chain.batches * 8 >= result.quality.samples
    assert sum(trial.samples for trial in result.trials) == result.chain.samples
    assert sum(trial.chain_s for trial in result.trials) == pytest.approx(result.chain.total_s)
    assert len(result.trials) == 10
    first, last = result.segments
    assert (first.reached, first.rows_in, last.survivors_out) == (1.0, 8.0, 0.0)
    assert first.survivors_out == pytest.approx(last.survivors_in * last.reached)
    assert last.rows_in >= last.survivors_in
    macs = [trial.chain_macs_per_sample for trial in result.trials]
    assert all(result.subject.macs[0] <= value <= sum(result.subject.macs) for value in macs)
    assert result.costs.buckets == (1, 2, 4, 8)


def test_the_result_can_be_printed_and_written(offline):
    result, shown = offline
    text = text_report(result)
    assert "=== Verdict ===" in text
    assert "\n* The bundle's costs were measured with onnxruntime on a machine of the test; this run uses" in text
    assert csv_table(result).count("\n") == 1 + 10 * (1 + len(result.baselines))
    assert b'"of_build"' not in json_report(result)
    assert shown == sorted(shown)
    assert shown[-1] == 1.0


def test_the_data_of_the_build_are_recognised(offline, tiny_bundle):
    result = offline[0]
    assert result.subject.data_of_build is True
    assert not any("tun" in warning for warning in result.warnings)


def test_single_stream(tiny_bundle):
    result = run_bench(settings(tiny_bundle.path, batch=None, scenario=Scenario.SINGLESTREAM), lambda _: None)
    assert result.subject.batch == 1
    assert result.costs.buckets == (1,)
    assert result.whole.speedup.batches_per_pair >= 32
    assert result.segments[1].reached == pytest.approx(result.exits[1].share, abs=0.1)


def test_a_batch_larger_than_the_largest_bucket_runs_in_parts(tiny_bundle):
    result = run_bench(settings(tiny_bundle.path, batch=19, duration_s=0.0), lambda _: None)
    assert result.chain.samples >= result.quality.samples
    assert result.segments[0].rows_in == pytest.approx(19 / 3)
    assert result.exits[0].percentile_99_ms > result.exits[0].percentile_50_ms


def test_data_without_labels(tiny_bundle, tmp_path: Path):
    np.savez(tmp_path / "x.npz", x=tiny_bundle.x)
    result = run_bench(settings(tiny_bundle.path, data=str(tmp_path / "x.npz")), lambda _: None)
    assert result.quality.accuracy is None
    assert result.exits[0].accuracy is None
    assert 0.9 < result.quality.agreement <= 1
    assert result.subject.data_of_build is False
    assert result.warnings[0].startswith("The test split is not that of the build")


def test_the_split_that_tuned_the_thresholds_is_recognised(tiny_bundle, tmp_path: Path):
    tune = make_splits(load_data(tiny_bundle.data, input_names=["x"]), seed=0)["tune"]
    np.savez(tmp_path / "tune.npz", x=tune.inputs["x"], y=tune.labels)
    result = run_bench(settings(tiny_bundle.path, data=str(tmp_path / "tune.npz")), lambda _: None)
    assert result.warnings[0].startswith("These data contain the split that the thresholds were tuned on")


def test_no_data(tiny_bundle, tmp_path: Path):
    shutil.copytree(tiny_bundle.path, tmp_path / "alone.ee")
    with pytest.raises(DataError, match=r"no data: --data is not given and there is no alone\.npz"):
        run_bench(settings(tmp_path / "alone.ee"), lambda _: None)


def test_data_that_do_not_fit(tiny_bundle, tmp_path: Path):
    np.savez(tmp_path / "x.npz", x=np.zeros((30, 5), np.float32))
    with pytest.raises(InputError, match="expected"):
        run_bench(settings(tiny_bundle.path, data=str(tmp_path / "x.npz")), lambda _: None)


def test_a_damaged_whole_network_is_refused(tiny_bundle, tmp_path: Path):
    shutil.copytree(tiny_bundle.path, tmp_path / "bad.ee")
    whole = tmp_path / "bad.ee" / "segments" / "whole.onnx"
    whole.write_bytes(whole.read_bytes()[:-1])
    with pytest.raises(BundleError, match=r"whole\.onnx"):
        run_bench(settings(tmp_path / "bad.ee", data=str(tiny_bundle.data)), lambda _: None)
