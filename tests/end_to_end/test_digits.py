"""The example as a newcomer types it: build, verify, inspect, run, bench, and the Python API on the result."""

import json
import shutil
import subprocess
import threading

import numpy as np
import pytest
import torch

import eerun
from eengines.errors import BundleError, InputError, UserError


def run(folder, environment, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def model(digits_bundle):
    return eerun.load(digits_bundle)


@pytest.fixture(scope="module")
def data(digits_folder):
    with np.load(digits_folder / "model.npz") as file:
        return {name: file[name] for name in file.files}


def test_build_shows_stages_decisions_and_a_summary(digits_build, digits_folder):
    for text in ("✓ split at minimal cuts", "cut behind exit_0", "On test", "MMACs", "threshold", "PASSED"):
        assert text in digits_build
    summary = json.loads((digits_folder / "summary.json").read_text())
    assert [s["exit"] for s in summary["segments"]] == ["exit_0", "exit_1", "exit_2"]
    assert sum(summary["test"]["shares"]) == pytest.approx(1)
    assert summary["test"]["accuracy"] > 0.9
    assert summary["segments"][-1]["boundary_bytes"] == 0


def test_tune_keeps_the_promise_on_tune(digits_build, digits_folder):
    tune = json.loads((digits_folder / "summary.json").read_text())["tune"]
    assert "PASSED" in digits_build
    assert tune["accuracy"] >= 0.99 * tune["accuracy_final"]


def test_bench_as_typed(digits_bundle, command_environment, tmp_path):
    done = run(
        digits_bundle.parent,
        command_environment,
        *("eerun", "bench", "--batch", "32", "--duration", "1"),
        *("--json", str(tmp_path / "b.json"), "--csv", str(tmp_path / "b.csv")),
    )
    assert done.returncode == 0, done.stderr
    for title in ("=== Performance summary ===", "=== Exit summary ===", "=== Segment summary ===", "=== Verdict ==="):
        assert title in done.stdout
    result = json.loads((tmp_path / "b.json").read_text())
    assert sum(e["share"] for e in result["exits"]) == pytest.approx(1)
    header = (tmp_path / "b.csv").read_text().splitlines()[0]
    assert header == "Model,Trial,Fold,Batch Size,Mode,Throughput,FLOPs/sec"


def test_bench_against_torch_one_sample_at_a_time(digits_bundle, command_environment):
    done = run(digits_bundle.parent, command_environment, "eerun", "bench", "--duration", "0.3", "--against", "torch")
    assert done.returncode == 0, done.stderr
    assert "early exit, one sample at a time" in done.stdout


def test_run_answers_the_test_set(digits_bundle, command_environment, tmp_path, model, data):
    out = tmp_path / "answers.npz"
    done = run(digits_bundle.parent, command_environment, "eerun", "run", "--data", "model.npz", "-o", str(out))
    assert done.returncode == 0, done.stderr
    with np.load(out) as file:
        answers = {name: file[name] for name in file.files}
    result = model.infer(data["x_test"])
    assert np.array_equal(answers["labels"], result.labels)
    assert np.array_equal(answers["exit_index"], result.exit_index)
    assert (answers["labels"] == data["y_test"]).mean() > 0.95


def test_inspect_and_verify(digits_bundle, command_environment):
    folder = digits_bundle.parent
    shown = run(folder, command_environment, "eecompile", "inspect", "model.ee")
    assert shown.returncode == 0, shown.stderr
    assert "==== Bundle model.ee ====" in shown.stdout
    assert "segments/2.onnx" in shown.stdout
    assert "branchy_cnn" in run(folder, command_environment, "eecompile", "inspect", "model.pt").stdout
    verified = run(folder, command_environment, "eecompile", "verify", "model.ee")
    assert verified.returncode == 0, verified.stderr
    assert "256 real samples" in verified.stdout
    assert "PASSED" in verified.stdout


def test_verify_finds_a_segment_of_another_network(digits_bundle, command_environment, tmp_path):
    """A manifest whose digests fit the files, but whose last segment has other weights."""
    import hashlib

    import onnx
    from onnx import numpy_helper

    copy = tmp_path / "model.ee"
    shutil.copytree(digits_bundle, copy)
    file = copy / "segments" / "2.onnx"
    graph = onnx.load(file)
    weight = max(graph.graph.initializer, key=lambda w: len(w.raw_data))
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(1.01), weight.name))
    file.write_bytes(graph.SerializeToString())
    manifest = json.loads((copy / "manifest.json").read_text())
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    manifest["files"]["segments/2.onnx"] = {"sha256": digest, "bytes": file.stat().st_size}
    (copy / "manifest.json").write_text(json.dumps(manifest))

    done = run(tmp_path, command_environment, "eecompile", "verify", "model.ee")

    assert done.returncode == 4
    assert "the chain's logits differ from the whole network's" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("batch", [1, 2, 31, 32, 33, 100])
def test_any_batch_gives_the_same_answers(model, data, batch):
    x = data["x_test"][:200]
    whole = model.infer(x)
    parts = [model.infer(x[i : i + batch]) for i in range(0, len(x), batch)]
    near = np.abs(whole.confidence[:, None] - [t or 9 for t in model.thresholds]).min(1) < 1e-5
    assert np.array_equal(np.concatenate([p.exit_index for p in parts])[~near], whole.exit_index[~near])
    assert np.array_equal(np.concatenate([p.labels for p in parts])[~near], whole.labels[~near])
    assert np.allclose(np.concatenate([p.outputs for p in parts])[~near], whole.outputs[~near], atol=1e-4)


def test_result_types(model, data):
    result = model.infer(data["x_test"][:5])
    assert (result.outputs.shape, result.outputs.dtype) == ((5, 10), np.float32)
    assert (result.labels.dtype, result.exit_index.dtype, result.confidence.dtype) == (np.int64, np.int32, np.float32)
    softmax = np.exp(result.outputs - result.outputs.max(1, keepdims=True))
    assert np.allclose(result.confidence, (softmax / softmax.sum(1, keepdims=True)).max(1), atol=1e-5)


def test_exits_off_runs_to_the_end(model, data):
    result = model.infer(data["x_test"][:40], exits=False)
    assert (result.exit_index == 2).all()
    assert len(result.steps) == 2


def test_torch_tensors_enter_by_dlpack(model, data):
    x = data["x_test"][:7]
    assert np.array_equal(model.infer(torch.from_numpy(x)).outputs, model.infer(x).outputs)


def test_many_threads_share_a_model(model, data):
    x = data["x_test"][:64]
    expected = model.infer(x)
    results: dict[int, eerun.Result] = {}

    def work(index: int) -> None:
        for _ in range(5):
            results[index] = model.infer(x)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    assert all(np.array_equal(r.outputs, expected.outputs) for r in results.values())


def test_inputs_that_do_not_fit(model):
    with pytest.raises(InputError, match=r"got float32, expected uint8 \[batch, 1, 8, 8\]"):
        model.infer(np.zeros((1, 1, 8, 8), np.float32))


def test_other_policies_and_settings(digits_folder, command_environment, tmp_path):
    done = run(
        digits_folder,
        command_environment,
        *("eecompile", "build", "model.pt", "-o", str(tmp_path / "p.ee"), "--policy", "patience"),
        *("--thresholds", "never,1", "--max-batch", "6", "--measure-seconds", "0"),
    )
    assert done.returncode == 0, done.stderr
    x = np.load(digits_folder / "model.npz")["x_test"][:50]
    result = eerun.load(tmp_path / "p.ee").infer(x)
    assert set(result.exit_index.tolist()) <= {1, 2}
    assert (result.confidence[result.exit_index == 1] >= 1).all()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.pt"], 3, "missing.pt: no such file"),
        (["model.pt", "--max-drop", "lots"], 2, "--max-drop: got 'lots'"),
        (["model.pt", "--thresholds", "0.5"], 2, "--thresholds: got 1, expected 2"),
        (["model.pt", "--policy", "magic"], 2, "magic"),
        (["model.pt", "--engine", "magic"], 2, "known are auto"),
        (["model.pt", "--data", "missing.npz"], 2, "missing.npz"),
        (["model.pt", "--buckets", "1,2"], 2, "--buckets: got (1, 2)"),
    ],
)
def test_mistakes_give_one_line_and_leave_the_bundle(digits_bundle, command_environment, arguments, code, message):
    before = (digits_bundle / "manifest.json").read_bytes()
    done = run(digits_bundle.parent, command_environment, "eecompile", "build", *arguments)
    assert done.returncode == code, done.stderr
    assert "error: " in done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert (digits_bundle / "manifest.json").read_bytes() == before
    assert not list(digits_bundle.parent.glob(".model.ee*"))


def test_no_bundle_and_several_bundles(digits_bundle, command_environment, tmp_path):
    done = run(tmp_path, command_environment, "eerun", "bench")
    assert done.returncode == 2
    assert "no bundle" in done.stderr
    for name in ("a.ee", "b.ee"):
        shutil.copytree(digits_bundle, tmp_path / name)
    done = run(tmp_path, command_environment, "eerun", "bench")
    assert done.returncode == 2
    assert "several bundles in it: a.ee, b.ee" in done.stderr


def test_load_refuses(tmp_path, digits_bundle):
    with pytest.raises(BundleError, match="is not a bundle"):
        eerun.load(tmp_path)
    with pytest.raises(UserError, match="got 0, expected at least 1"):
        eerun.load(digits_bundle, threads=0)
