"""The benchmark of GPUs: its code runs on a CPU device, and where there is no GPU it says so in one line."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import eerun
from eengines.devices.cuda import probe_cuda

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.gpu import BATCHES  # noqa: E402
from benchmarks.gpu_goals import goals_of  # noqa: E402
from benchmarks.gpu_prepare import BUCKETS, Choice, build_settings, engines_settings  # noqa: E402
from benchmarks.gpu_race import RaceResult  # noqa: E402
from benchmarks.networks import Network  # noqa: E402
from eerun.bench.statistics import Estimate, PairedRatio  # noqa: E402
from eerun.device_executor.profile_result import ChainProfile, StepProfile, WholeProfile  # noqa: E402


def benchmark(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks/gpu.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_without_a_gpu_it_says_so_in_one_line():
    if probe_cuda().ok:
        pytest.skip("there is a GPU here")
    before = sorted((ROOT / "benchmarks" / "results").iterdir())
    done = benchmark("digits")
    assert done.returncode == 1
    assert done.stderr.startswith("benchmarks/gpu.py: no GPU here: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert sorted((ROOT / "benchmarks" / "results").iterdir()) == before


@pytest.mark.parametrize("target", ["cpu", "t4", "h200"])
def test_its_settings_are_good(target, tmp_path):
    network = Network(name="digits", model=Path("model.pt"), factory=None)
    choice = Choice(engine="auto", precision="auto", batches=BATCHES, seconds=1.0, rounds=1, torch=False, bundle=None)
    settings = build_settings(network, tmp_path / "n.ee", tmp_path / "n.npz", target=target)
    assert settings.row_buckets(1) == engines_settings(choice, tmp_path / "n.npz").buckets == BUCKETS
    assert set(BATCHES) <= set(BUCKETS)


@pytest.fixture(scope="module")
def rehearsal(example_bundle, tmp_path_factory) -> tuple[Path, str]:
    """Folder of the record, and what was printed."""
    folder = tmp_path_factory.mktemp("rehearsal")
    arguments = ["--bundle", example_bundle, "--output", folder, "--precision", "float32", "--batches", "1,32,128"]
    done = benchmark("digits", "--device", "cpu", "--seconds", 0.05, "--rounds", 2, *arguments)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_a_rehearsal_is_no_result(rehearsal):
    folder, text = rehearsal
    assert [file.name for file in folder.iterdir()] == ["rehearsal-of-gpu-benchmark.json"]
    record = json.loads((folder / "rehearsal-of-gpu-benchmark.json").read_bytes())
    assert record["what"] == "rehearsal of the GPU benchmark on a CPU device: these times are no result"
    assert text.startswith(record["what"])
    assert (record["card"], record["compute_capability"]) == ("CPU", None)
    assert record["environment"]["command"].startswith("gpu.py digits --device cpu")


def test_everything_was_measured(rehearsal):
    record = json.loads((rehearsal[0] / "rehearsal-of-gpu-benchmark.json").read_bytes())
    (way,) = record["networks"]["digits"]["configurations"].values()
    assert list(way["batches"]) == ["1", "32"]
    assert way["without_a_bucket"] == [128]
    found = way["batches"]["32"]
    names = {"chain", "chain, exits off", "whole", "chain, device decides", "torch eager, early exit"}
    assert set(found["median_ms"]) == names
    assert set(found["ratios"]) == {f"{name} / chain" for name in names - {"chain"}} | {"chain, exits off / whole"}
    assert [step["rows"] for step in found["exits_off"]["steps"]] == [32] * 5
    assert isinstance(found["device_boundary_us"], float)
    assert found["no_device_exits"] is None
    assert [goal["most"] for goal in way["goals"]] == [25.0, 8.0, 1.05]


def test_eager_torch_leaves_where_the_chain_leaves(digits_bundle):
    from benchmarks.gpu_torch import TorchRivals

    model = eerun.load(digits_bundle, engine="onnxruntime", precision="float32")
    rivals = TorchRivals(digits_bundle.with_suffix(".pt"), None, "float32", "cpu", model.thresholds)
    x = np.load(digits_bundle.with_suffix(".npz"))["x_test"][:64]
    labels, exits = rivals.eager({model.manifest.inputs[0].name: x})
    expected = model.infer(x)
    assert np.array_equal(exits, expected.exit_index)
    assert np.array_equal(labels, expected.labels)
    assert len(set(exits.tolist())) > 1


def estimate(value: float) -> PairedRatio:
    found = Estimate(value=value, low=value, high=value)
    return PairedRatio(
        median=found, totals=found, first_quartile=value, third_quartile=value, pairs=9, batches_per_pair=1
    )


def result(*boundaries: float | None, device: float | None, overhead: float) -> RaceResult:
    steps = tuple(
        StepProfile(rows=32, survivors=3, segment_ms=1.0, decision_us=3.0, exit_us=4.0, boundary_us=boundary)
        for boundary in boundaries
    )
    chain = ChainProfile(samples=32, rounds=1, copy_in_ms=0.1, steps=steps, host_ms=0.1)
    return RaceResult(
        batch=32,
        median_ms={},
        ratios={"chain, exits off / whole": estimate(overhead)},
        profile=chain,
        exits_off=chain,
        whole=WholeProfile(samples=32, rounds=1, copy_in_ms=0.1, compute_ms=1.0, copy_out_ms=0.1, host_ms=0.1),
        device_boundary_us=device,
        no_device_exits=None if device is not None else "driver of CUDA 12.4",
    )


def test_goals():
    met = goals_of({32: result(20.0, 24.0, None, device=7.5, overhead=1.05)})
    assert [goal.words for goal in met] == [
        "boundary, host decides, us <= 25: met with 24",
        "boundary, device decides, us <= 8: met with 7.5",
        "chain with exits off / whole network <= 1.05: met with 1.05",
    ]
    missed = goals_of({32: result(20.0, 26.0, None, device=None, overhead=1.2)})
    assert [goal.words.split(": ")[1] for goal in missed] == [
        "missed with 26",
        "not measured, driver of CUDA 12.4",
        "missed with 1.2",
    ]
    assert {goal.words.split(": ")[1] for goal in goals_of({})} == {"not measured, batch 32 was not run"}


@pytest.mark.parametrize("script", ["test-gpu", "bench-gpu"])
def test_the_scripts_say_that_there_is_no_gpu(script):
    if probe_cuda().ok:
        pytest.skip("there is a GPU here")
    wanted = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")))
    stamp = ROOT / ".venv" / ".installed"
    if not stamp.is_file() or stamp.read_text() != f"{wanted.hexdigest()}  -\n":
        pytest.skip("the scripts would install something first: run scripts/setup")
    done = subprocess.run([ROOT / "scripts" / script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no GPU here: " in done.stderr
