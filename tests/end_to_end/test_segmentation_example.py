"""The example of dense prediction as its page shows it, on fewer scenes: train, attach, build, bench, run."""

import importlib.util
import json
import re
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from typed_commands import shown_commands, typed

import eerun
from eecompile.checkpoint import load_checkpoint
from eerun.mean_iou import mean_iou

SOURCE = Path(__file__).resolve().parents[2] / "examples" / "segmentation"
COMMANDS = shown_commands((SOURCE / "README.md").read_text())
SMALLER = {
    "train.py": "--scenes 400 --epochs 10",
    "attach": "--epochs 3",
    "build": "--measure-seconds 0 --buckets 1,32 --max-quant-drop 3% --thresholds 0.85,0.85",
    "bench": "--duration 0.3 --warm-up 0 --json bench.json",
}
"""Added to what the page shows. Thresholds by hand: tuned ones depend on what this machine measures."""
SIDE, CLASSES, IGNORED = 32, 11, 255


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("segmentation_train", SOURCE / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("examples") / "segmentation"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("*.pt", "*.npz", "*.ee"))
    return folder


@pytest.fixture(scope="module")
def printed(folder, command_environment) -> dict[str, str]:
    """What each command prints, on one thread: the layers are too small for more."""
    environment = command_environment | {"OMP_NUM_THREADS": "1"}
    names = [command.split()[1] for command in COMMANDS]
    return {
        name: typed(f"{command} {SMALLER.get(name, '')}", folder, environment)
        for name, command in zip(names, COMMANDS, strict=True)
    }


@pytest.fixture(scope="module")
def summary(folder, printed) -> dict:
    assert "PASSED" in printed["build"]
    return json.loads((folder / "model.ee" / "report" / "summary.json").read_text())


@pytest.fixture(scope="module")
def ground(folder, printed) -> float:
    """The share of ground in the pixels that count; who calls everything ground has this accuracy."""
    assert "wrote backbone.pt and model.npz" in printed["train.py"]
    with np.load(folder / "model.npz") as data:
        labels = data["y_test"]
    return float((labels[labels != IGNORED] == 0).mean())


def test_training_and_test_scenes_are_made_of_other_scans(script):
    (train, train_digits), (test, test_digits) = script.split_scans(0)
    assert len(train) + len(test) == 1797
    assert set(train_digits) == set(test_digits) == set(range(10))
    assert not {scan.tobytes() for scan in train} & {scan.tobytes() for scan in test}


def test_labels_follow_the_ink(script):
    (scans, digits), _ = script.split_scans(0)
    images, labels = script.draw_scenes(scans, digits, 50, seed=3)
    assert (images.shape, labels.shape) == ((50, 1, SIDE, SIDE), (50, SIDE, SIDE))
    assert ((images[:, 0] == 0) == (labels == 0)).all()
    assert ((images[:, 0] >= script.INK) == ((labels > 0) & (labels < CLASSES))).all()
    assert set(np.unique(labels)) == {*range(CLASSES), IGNORED}
    again, _ = script.draw_scenes(scans, digits, 50, seed=3)
    assert (again == images).all()


def test_the_page_shows_every_step():
    assert [command.split()[1] for command in COMMANDS] == ["train.py", "attach", "build", "bench", "run"]


def test_the_network_learned_more_than_the_ground(printed, ground):
    (share,) = re.findall(r"^test scenes: ([\d.]+)% of the pixels right", printed["train.py"], re.MULTILINE)
    assert float(share) / 100 > ground + 0.05


def test_heads_of_pame_answer_every_pixel(folder, printed):
    attached = load_checkpoint(folder / "model.pt").attached
    assert {head.kind for head in attached.heads} == {"remainder", "simple"}
    assert attached.output == (CLASSES, SIDE, SIDE)
    assert "of the pixels of held-out samples right" in printed["attach"]
    assert not list(folder.glob("*.training"))


def test_some_scenes_leave_early_and_most_of_their_pixels_are_right(summary, ground):
    assert summary["task"] == "segmentation"
    test = summary["test"]
    assert 0.05 < test["shares"][-1] < 0.95
    assert sum(test["shares"]) == pytest.approx(1)
    assert test["accuracy_final"] > ground + 0.05
    assert ground + 0.03 < test["accuracy"]


def test_int8_keeps_the_pixels_on_both_engines(summary):
    kept = {(trial["engine"], trial["precision"]): trial for trial in summary["trials"] if trial["kept"]}
    assert {("onnxruntime", "int8"), ("openvino", "int8")} <= set(kept)
    assert all(trial["agreement"][-1] >= 1 - summary["max_quant_drop"] for trial in kept.values())


def test_bench_counts_pixels(folder, printed, summary):
    quality = json.loads((folder / "bench.json").read_text())["quality"]
    assert quality["unit"] == "pixel"
    assert quality["samples"] == summary["test"]["samples"]
    assert 0 < quality["mean_iou"] < quality["accuracy"]
    assert "Mean IoU" in printed["bench"]


def test_run_writes_a_map_for_each_scene(folder, printed):
    with np.load(folder / "answers.npz") as file, np.load(folder / "model.npz") as data:
        labels, exits, truth = file["labels"], file["exit_index"], data["y_test"]
        result = eerun.load(folder / "model.ee").infer(data["x_test"])
    assert (labels.shape, labels.dtype) == (truth.shape, np.dtype(np.uint8))
    np.testing.assert_array_equal(labels, result.labels)
    assert len(set(exits.tolist())) > 1
    right = (labels == truth)[truth != IGNORED].mean()
    assert f"pixel accuracy {right:.2%}".replace("%", " %") in printed["run"]
    iou = mean_iou(labels, truth, classes=CLASSES, ignored=IGNORED)
    assert f"mean IoU {iou:.2%}".replace("%", " %") in printed["run"]
