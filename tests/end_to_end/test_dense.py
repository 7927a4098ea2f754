"""One class a pixel, from the checkpoint to the answers: build in every precision, run, bench, verify, inspect."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from dense_networks import CLASSES, EXITS, IGNORED, SIDE, draw_scenes, save_dense, trained_network
from typer.testing import CliRunner, Result

import eerun
from eecompile.build import BuildSettings, build
from eecompile.build.report import BuildReport
from eecompile.cli.main import app as eecompile_app
from eecompile.cli.stages import ConsoleStages
from eecompile.cli.summary import summary_text
from eengines.devices.cpu import CpuDevice
from eengines.errors import BuildError, DataError, EngineError, IngestError, UserError
from eerun.bundle import open_bundle
from eerun.cli.main import app
from eerun.data import load_data, make_splits
from eerun.mean_iou import mean_iou

SETTINGS = BuildSettings(
    factory="dense_networks:make_dense", max_drop=0.02, max_batch=16, buckets=(1, 16), measure_seconds=0.0, threads=2
)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_dense(tmp_path_factory.mktemp("dense"))


@pytest.fixture(scope="module")
def report(model) -> BuildReport:
    with ConsoleStages(verbose=False) as stages:
        return build(model, SETTINGS, stages)


@pytest.fixture(scope="module")
def bundle(model, report) -> Path:
    assert report.task == "segmentation"
    return model.with_suffix(".ee")


@pytest.fixture(scope="module")
def torch_logits() -> np.ndarray:
    """`[40, exits, classes, height, width]` of torch on scenes that nobody saw."""
    images, _ = draw_scenes(40, 77)
    with torch.no_grad():
        answers = trained_network()(torch.from_numpy(images).float() / 128 - 1)
    return torch.stack(answers, dim=1).numpy()


@pytest.fixture(scope="module")
def counted(model) -> int:
    """Pixels of *test* that count."""
    data = load_data(model.with_suffix(".npz"), input_names=["x"])
    return int((make_splits(data, seed=SETTINGS.seed)["test"].labels != IGNORED).sum())


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_every_engine_and_precision_keeps_the_pixels(report, counted):
    kept = {(trial.engine, trial.precision): trial for trial in report.trials if trial.kept}
    assert {("onnxruntime", "float32"), ("onnxruntime", "int8")} <= set(kept)
    assert {("openvino", "float32"), ("openvino", "int8")} <= set(kept)
    for trial in kept.values():
        assert trial.agreement[-1] >= 0.99
        assert trial.test.accuracy_final > 0.93
        assert trial.test.samples == 240
        assert trial.test.units == counted < 240 * SIDE**2
    accuracy = [trial.test.accuracy for trial in kept.values()]
    assert min(accuracy) > 0.9
    assert report.tune.accuracy >= 0.979 * report.tune.accuracy_float32
    assert report.test.shares[-1] < 0.9, "some scenes leave early"
    text = summary_text(report)
    assert "accuracy on test, shares of pixels" in text
    assert f"On test (240 samples, max-probability): pixel accuracy {report.test.accuracy:.2%}" in text


def test_nothing_that_makes_logits_or_scores_is_quantised(bundle):
    import onnx

    for path in (bundle / "graphs" / "onnxruntime-int8").glob("*.onnx"):
        graph = onnx.load(path).graph
        makers = {name: node for node in graph.node for name in node.output}
        waiting, seen = [value.name for value in graph.output if value.name in EXITS], set[str]()
        assert waiting
        while waiting:
            node = makers.get(waiting.pop())
            assert node is not None
            seen.add(node.op_type)
            if node.op_type != "Conv":
                waiting.append(node.input[0])
        assert "QuantizeLinear" not in seen
        assert "QLinearConv" not in seen
        assert "Conv" in seen


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_each_sample_has_the_answer_of_the_exit_where_it_left(bundle, torch_logits, engine):
    images, _ = draw_scenes(40, 77)
    loaded = eerun.load(bundle, engine=engine, precision="float32", threads=2)
    assert loaded.output_shape == (CLASSES, SIDE, SIDE)
    result = loaded.infer(images)
    assert result.outputs.shape == (40, CLASSES, SIDE, SIDE)
    assert (result.labels.shape, result.labels.dtype) == ((40, SIDE, SIDE), np.dtype(np.int64))
    assert len(set(result.exit_index.tolist())) > 1
    rows = np.arange(40)
    np.testing.assert_allclose(result.outputs, torch_logits[rows, result.exit_index], atol=1e-3)
    exponentials = np.exp(torch_logits - torch_logits.max(axis=2, keepdims=True))
    score = (exponentials.max(axis=2) / exponentials.sum(axis=2)).mean(axis=(2, 3))
    np.testing.assert_allclose(result.confidence, score[rows, result.exit_index], atol=1e-4)
    np.testing.assert_array_equal(result.labels, result.outputs.argmax(axis=1))
    to_the_end = loaded.infer(images[:3], exits=False)
    np.testing.assert_allclose(to_the_end.outputs, torch_logits[:3, -1], atol=1e-3)


def test_run_writes_maps_and_says_how_good_they_are(bundle, tmp_path):
    images, labels = draw_scenes(50, 5)
    np.savez(tmp_path / "new.npz", x=images, y=labels)
    arguments = ("--bundle", bundle, "--data", tmp_path / "new.npz", "-o", tmp_path / "a.npz", "--threads", 2)
    done = run("run", *arguments, "--batch", 16)
    assert done.exit_code == 0, done.output
    answers = np.load(tmp_path / "a.npz")
    assert set(answers.files) == {"labels", "exit_index", "confidence", "y"}
    assert (answers["labels"].dtype, answers["labels"].shape) == (np.dtype(np.uint8), (50, SIDE, SIDE))
    right = (answers["labels"] == labels)[labels != IGNORED].mean()
    assert f"pixel accuracy {right * 100:.2f} %" in done.output
    iou = mean_iou(answers["labels"], labels, classes=CLASSES, ignored=IGNORED)
    assert f"mean IoU {iou * 100:.2f} %" in done.output


def test_labels_that_do_not_fit_the_answers_are_refused(bundle, tmp_path):
    images, labels = draw_scenes(8, 5)
    np.savez(tmp_path / "new.npz", x=images, y=labels[:, :4])
    done = run("run", "--bundle", bundle, "--data", tmp_path / "new.npz", "-o", tmp_path / "a.npz")
    assert isinstance(done.exception, DataError)
    assert "labels have the shape [samples, 4, 12], expected [samples, 12, 12]" in str(done.exception)


def test_bench_counts_pixels(bundle, counted, tmp_path):
    arguments = ("--bundle", bundle, "--batch", 16, "--duration", 0.2, "--warm-up", 0, "--threads", 2)
    done = run("bench", *arguments, "--against", "torch", "--factory", SETTINGS.factory, "--json", tmp_path / "b.json")
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "b.json").read_text())
    quality = record["quality"]
    assert (quality["unit"], quality["samples"]) == ("pixel", 240)
    difference = (quality["accuracy"] - quality["accuracy_whole"]) * counted
    assert quality["won"] - quality["lost"] == pytest.approx(difference, abs=1e-6)
    assert quality["lost"] > 240, "pixels, not samples"
    assert 0.5 < quality["mean_iou"] < quality["accuracy"]
    assert quality["agreement_exits_off"] > 0.99
    assert record["rival"]["same_label"] > 0.99
    assert "right pixels  same pixels" in done.output
    assert "Pixel accuracy" in done.output
    assert "of the pixels of 240 samples" in done.output
    assert "Mean IoU" in done.output


def test_verify_and_inspect(bundle):
    verified = CliRunner().invoke(eecompile_app, ["verify", str(bundle)])
    assert verified.exit_code == 0, verified.output
    assert "same answer: share of pixels" in verified.output
    shown = CliRunner().invoke(eecompile_app, ["inspect", str(bundle)])
    assert shown.exit_code == 0, shown.output
    assert "Task: segmentation, 3 classes" in shown.output
    assert "pixel accuracy on test" in shown.output
    assert "of the pixels" in " ".join(shown.output.split())


def test_devices_refuse_maps(bundle, command_environment):
    with pytest.raises(EngineError, match=r"got logits \[batch, 3, 12, 12\], expected \[batch, classes\]"):
        eerun.load(bundle, engine="onnxruntime", precision="float32", device=CpuDevice())
    assert open_bundle(bundle).manifest.targets == ()
    done = subprocess.run(
        ["eecompile", "engines", str(bundle), "--target", "t4"],
        env=command_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "answers every pixel" in done.stderr


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"target": "t4"}, UserError, "--target t4: the network answers every pixel"),
        ({"policy": "patience"}, BuildError, "policy patience compares one class a sample"),
    ],
)
def test_builds_that_cannot_be(model, tmp_path, changes, error, message):
    with ConsoleStages(verbose=False) as stages, pytest.raises(error, match=message):
        build(model, replace(SETTINGS, output=tmp_path / "no.ee", **changes), stages)
    assert not (tmp_path / "no.ee").exists()


def test_a_checkpoint_names_the_task_of_its_exits(tmp_path):
    path = save_dense(tmp_path, task="classification")
    with ConsoleStages(verbose=False) as stages, pytest.raises(IngestError, match="which is segmentation"):
        build(path, SETTINGS, stages)
