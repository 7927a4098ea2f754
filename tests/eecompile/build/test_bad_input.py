"""Data that cannot be used end in one clear error; what was there before stays whole."""

import os
import shutil
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

import eerun
from eengines.errors import UserError
from eerun.bundle import open_bundle


@pytest.fixture(scope="module")
def parts(images):
    """Splits of float32 images as the network sees them."""
    found = {}
    for seed, (name, count) in enumerate({"calib": 140, "tune": 80, "certify": 8, "test": 80}.items()):
        x, y = images(count, seed + 10)
        found |= {f"x_{name}": x.astype(np.float32) / 128 - 1, f"y_{name}": y}
    return found


@pytest.fixture
def old(tmp_path, for_t4):
    """A bundle that a failing build must leave alone: `(path, its files)`."""
    path = tmp_path / "net.ee"
    shutil.copytree(for_t4.path, path)
    return path, snapshot(path)


def snapshot(path):
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def assert_untouched(old):
    path, before = old
    assert snapshot(path) == before
    open_bundle(path).verify_files()
    assert [p.name for p in path.parent.iterdir()] == [path.name], "nothing half-written"


def nan(array):
    array = array.copy()
    array[5, 1, 2, 3] = np.nan
    return array


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p | {"x_calib": nan(p["x_calib"])}, r"not finite \(NaN or infinity\) in samples \[5\]"),
        (lambda p: p | {"x_calib": np.where(p["x_calib"] > 0.9, np.inf, p["x_calib"])}, "not finite"),
        (lambda p: p | {"x_calib": p["x_calib"][:, :1]}, r"got float32 \[140, 1, 8, 8\], expected .*2, 8, 8"),
        (lambda p: p | {"x_calib": p["x_calib"].astype(np.float64)}, "got float64, expected float32"),
        (
            lambda p: p | {"x_calib": p["x_calib"][:0], "y_calib": p["y_calib"][:0]},
            r"array 'x_calib' is empty: got shape \(0, 2, 8, 8\)",
        ),
        (lambda p: p | {"x_tune": nan(p["x_tune"])}, "not finite"),
    ],
    ids=["nan", "infinite", "shape", "dtype", "empty", "nan-in-tune"],
)
def test_bad_samples_are_user_errors_that_leave_the_old_bundle(fitted, parts, old, stages, change, message):
    network = fitted(arrays=change(parts), dtype="float32")
    with pytest.raises(UserError, match=message) as caught:
        network.build(stages, output=old[0], int8=True)
    assert "'x'" in caught.value.where or "'x_calib'" in caught.value.problem
    assert_untouched(old)


def test_no_data_and_int8(plain, old, stages, tmp_path):
    """Without data everything works but INT8."""
    alone = tmp_path.parent / f"{tmp_path.name}_alone"
    alone.mkdir()
    os.link(plain.path, alone / "net.onnx")
    network = replace(plain, path=alone / "net.onnx", settings=replace(plain.settings, thresholds=(0.9, 0.8)))
    with pytest.raises(UserError, match=r"--int8: there are no data to calibrate with\. Give --data"):
        network.build(stages, output=old[0], int8=True)
    assert_untouched(old)
    report = network.build(stages, output=alone / "o.ee")
    assert report.calibration is None
    assert "int8" not in {trial.precision for trial in report.trials}
    assert open_bundle(alone / "o.ee").manifest.ranges is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"calibrator": "magic"}, "got 'magic'.* entropy"),
        ({"keep_float": ("exit_9",)}, "neither a node nor one of the exits early, middle, final"),
        ({"engine": "magic"}, "known are auto"),
    ],
)
def test_names_that_do_not_exist(plain, old, stages, changes, message):
    with pytest.raises(UserError, match=message):
        plain.build(stages, output=old[0], int8=True, **changes)
    assert_untouched(old)


@pytest.mark.parametrize("stage", ["int8_source", "run_trials"])
def test_an_interrupt_leaves_the_old_bundle(plain, old, stages, monkeypatch, stage):
    def interrupt(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("eecompile.build.build"), stage, interrupt)
    with pytest.raises(KeyboardInterrupt):
        plain.build(stages, output=old[0], engine="onnxruntime")
    assert_untouched(old)


def test_an_interrupt_after_the_last_file_was_written(plain, old, stages, monkeypatch):
    def interrupt(writer, manifest):
        assert (writer.folder / "segments/0.onnx").is_file()
        raise KeyboardInterrupt

    monkeypatch.setattr("eerun.bundle.BundleWriter.finish", interrupt)
    with pytest.raises(KeyboardInterrupt):
        plain.build(stages, output=old[0], engine="onnxruntime", precision="float32")
    assert_untouched(old)


def test_a_tensor_that_is_zero_for_every_sample(fitted, stages, tmp_path, images):
    """A dead convolution: its output has no range, and so no scale."""
    network = fitted(dead=True)
    report = network.build(stages, output=tmp_path / "o.ee", int8=True, max_quant_drop=0.05)
    assert any("is zero for every calibration sample" in text for text in stages.warnings)
    assert {t.precision for t in report.trials if t.kept} >= {"float32", "int8"}
    x, y = images(64, seed=70)
    for engine in {t.engine for t in report.trials if t.kept and t.precision == "int8"}:
        model = eerun.load(tmp_path / "o.ee", engine=engine, precision="int8", threads=2)
        answers = model.infer(x)
        assert np.isfinite(answers.outputs).all()
        assert (answers.labels == y).mean() > 0.8


def test_images_that_are_all_the_same(fitted, images, stages, tmp_path):
    """Every activation is constant in calibration; the build goes on and says so."""
    x, y = images(300, seed=80)
    grey = np.full((140, 2, 8, 8), 128, np.uint8)
    arrays = {"x_calib": grey, "y_calib": y[:140], "x_tune": x[:150], "y_tune": y[:150]}
    arrays |= {"x_certify": x[:8], "y_certify": y[:8], "x_test": x[150:], "y_test": y[150:]}
    report = fitted(arrays=arrays).build(stages, output=tmp_path / "o.ee", engine="onnxruntime")
    assert report.trials[0].precision == "float32" or report.trials[0].answers_kept >= 0.99
    assert eerun.load(tmp_path / "o.ee", threads=2).infer(x[:5]).labels.shape == (5,)
