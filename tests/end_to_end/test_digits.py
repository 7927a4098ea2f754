"""The example as a newcomer types it: train, attach, build, bench; then verify, inspect, run, and the Python API."""

import json
import re
import shutil
import subprocess
import threading
from itertools import product

import numpy as np
import pytest
import torch

import eerun
from eecompile.checkpoint import build_module, load_checkpoint
from eengines.errors import BundleError, InputError, UserError


def run(folder, environment, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def model(example_bundle):
    return eerun.load(example_bundle)


@pytest.fixture(scope="module")
def data(example_folder, example_bundle):
    with np.load(example_folder / "model.npz") as file:
        return {name: file[name] for name in file.files}


def test_training_makes_a_network_with_one_exit(example_output, example_folder):
    (share,) = re.findall(r"^([\d.]+)% of the test digits right$", example_output["train.py"], re.MULTILINE)
    assert float(share) > 95
    checkpoint = load_checkpoint(example_folder / "backbone.pt")
    assert checkpoint.exits == ("final",)
    assert checkpoint.attached is None


def test_attach_gives_four_exits_more_from_all_kinds_of_gati(example_output, example_folder):
    before = load_checkpoint(example_folder / "backbone.pt").state_dict
    checkpoint = load_checkpoint(example_folder / "model.pt")
    taps = [f"blocks.{number}" for number in range(4)]
    attached = checkpoint.attached
    assert [(head.tap, head.kind) for head in attached.heads] == [*product(taps, ("fc", "pool", "conv"))]
    assert [head.tap for head in attached.heads if head.name in attached.chosen] == taps
    assert checkpoint.exits == (*attached.chosen, "final")
    assert all(torch.equal(checkpoint.state_dict[f"trunk.{name}"], weight) for name, weight in before.items())
    shown = example_output["attach"]
    assert f"Exits: {', '.join(checkpoint.exits)}" in shown
    assert "PASSED | model.pt" in shown
    assert not list(example_folder.glob("*.training"))


def test_heads_answer_like_the_trunk(example_folder):
    """On digits that training never saw; the share of the most frequent digit is 10 %."""
    network = build_module(load_checkpoint(example_folder / "model.pt"), None)
    with np.load(example_folder / "model.npz") as file, torch.no_grad():
        *exits, final = (logits.argmax(1) for logits in network(torch.from_numpy(file["x_test"]).float() / 16))
    assert min((exit_ == final).float().mean() for exit_ in exits) > 0.85


def test_build_shows_stages_and_a_summary(example_output, example_bundle):
    for text in ("✓ split at minimal cuts", "On test", "MMACs", "threshold", "PASSED"):
        assert text in example_output["build"]
    summary = json.loads((example_bundle / "report" / "summary.json").read_text())
    assert [s["exit"] for s in summary["segments"]] == [*load_checkpoint(example_bundle.with_suffix(".pt")).exits]
    assert sum(summary["test"]["shares"]) == pytest.approx(1)
    assert summary["test"]["accuracy"] > 0.9
    assert summary["segments"][-1]["boundary_bytes"] == 0


def test_tune_keeps_the_promise_on_tune(example_bundle):
    tune = json.loads((example_bundle / "report" / "summary.json").read_text())["tune"]
    assert tune["accuracy"] >= 0.99 * tune["accuracy_final"]


def test_the_demo_benches(example_output):
    for title in ("=== Performance summary ===", "=== Exit summary ===", "=== Segment summary ===", "=== Verdict ==="):
        assert title in example_output["bench"]


def test_bench_writes_json_and_csv(example_bundle, command_environment, tmp_path):
    done = run(
        example_bundle.parent,
        command_environment,
        *("eerun", "bench", "--batch", "32", "--duration", "1"),
        *("--json", str(tmp_path / "b.json"), "--csv", str(tmp_path / "b.csv")),
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "b.json").read_text())
    assert sum(e["share"] for e in result["exits"]) == pytest.approx(1)
    header = (tmp_path / "b.csv").read_text().splitlines()[0]
    assert header == "Model,Trial,Fold,Batch Size,Mode,Throughput,FLOPs/sec"


def test_bench_against_torch_one_sample_at_a_time(example_bundle, command_environment):
    done = run(example_bundle.parent, command_environment, "eerun", "bench", "--duration", "0.3", "--against", "torch")
    assert done.returncode == 0, done.stderr
    assert "early exit, one sample at a time" in done.stdout


def test_run_answers_the_test_set(example_bundle, command_environment, tmp_path, model, data):
    out = tmp_path / "answers.npz"
    done = run(example_bundle.parent, command_environment, "eerun", "run", "--data", "model.npz", "-o", str(out))
    assert done.returncode == 0, done.stderr
    with np.load(out) as file:
        answers = {name: file[name] for name in file.files}
    result = model.infer(data["x_test"])
    assert np.array_equal(answers["labels"], result.labels)
    assert np.array_equal(answers["exit_index"], result.exit_index)
    assert (answers["labels"] == data["y_test"]).mean() > 0.95


def test_inspect_and_verify(example_bundle, command_environment):
    folder = example_bundle.parent
    shown = run(folder, command_environment, "eecompile", "inspect", "model.ee")
    assert shown.returncode == 0, shown.stderr
    assert "==== Bundle model.ee ====" in shown.stdout
    assert "segments/4.onnx" in shown.stdout
    assert "residual_cnn" in run(folder, command_environment, "eecompile", "inspect", "model.pt").stdout
    verified = run(folder, command_environment, "eecompile", "verify", "model.ee")
    assert verified.returncode == 0, verified.stderr
    assert "256 real samples" in verified.stdout
    assert "PASSED" in verified.stdout


def test_verify_finds_a_segment_of_another_network(example_bundle, command_environment, tmp_path):
    """A manifest whose digests fit the files, but whose last segment has other weights."""
    import hashlib

    import onnx
    from onnx import numpy_helper

    copy = tmp_path / "model.ee"
    shutil.copytree(example_bundle, copy)
    file = copy / "segments" / "4.onnx"
    graph = onnx.load(file)
    weight = max(graph.graph.initializer, key=lambda w: len(w.raw_data))
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(1.01), weight.name))
    file.write_bytes(graph.SerializeToString())
    manifest = json.loads((copy / "manifest.json").read_text())
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    manifest["files"]["segments/4.onnx"] = {"sha256": digest, "bytes": file.stat().st_size}
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
    assert (result.exit_index == 4).all()
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


def test_other_policies_and_settings(example_folder, command_environment, tmp_path):
    done = run(
        example_folder,
        command_environment,
        *("eecompile", "build", "model.pt", "-o", str(tmp_path / "p.ee"), "--policy", "patience"),
        *("--thresholds", "never,1,never,never", "--max-batch", "6", "--measure-seconds", "0"),
        *("-v", "--json", str(tmp_path / "summary.json")),
    )
    assert done.returncode == 0, done.stderr
    first = json.loads((tmp_path / "summary.json").read_text())["segments"][0]["exit"]
    assert f"cut behind {first}" in done.stdout + done.stderr
    x = np.load(example_folder / "model.npz")["x_test"][:50]
    result = eerun.load(tmp_path / "p.ee").infer(x)
    assert set(result.exit_index.tolist()) <= {1, 4}
    assert (result.confidence[result.exit_index == 1] >= 1).all()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.pt"], 3, "missing.pt: no such file"),
        (["model.pt", "--max-drop", "lots"], 2, "--max-drop: got 'lots'"),
        (["model.pt", "--thresholds", "0.5"], 2, "--thresholds: got 1, expected 4"),
        (["model.pt", "--policy", "magic"], 2, "magic"),
        (["model.pt", "--engine", "magic"], 2, "known are auto"),
        (["model.pt", "--data", "missing.npz"], 2, "missing.npz"),
        (["model.pt", "--buckets", "1,2"], 2, "--buckets: got (1, 2)"),
    ],
)
def test_mistakes_give_one_line_and_leave_the_bundle(example_bundle, command_environment, arguments, code, message):
    before = (example_bundle / "manifest.json").read_bytes()
    done = run(example_bundle.parent, command_environment, "eecompile", "build", *arguments)
    assert done.returncode == code, done.stderr
    assert "error: " in done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert (example_bundle / "manifest.json").read_bytes() == before
    assert not list(example_bundle.parent.glob(".model.ee*"))


def test_no_bundle_and_several_bundles(example_bundle, command_environment, tmp_path):
    done = run(tmp_path, command_environment, "eerun", "bench")
    assert done.returncode == 2
    assert "no bundle" in done.stderr
    for name in ("a.ee", "b.ee"):
        shutil.copytree(example_bundle, tmp_path / name)
    done = run(tmp_path, command_environment, "eerun", "bench")
    assert done.returncode == 2
    assert "several bundles in it: a.ee, b.ee" in done.stderr


def test_load_refuses(tmp_path, example_bundle):
    with pytest.raises(BundleError, match="is not a bundle"):
        eerun.load(tmp_path)
    with pytest.raises(UserError, match="got 0, expected at least 1"):
        eerun.load(example_bundle, threads=0)
