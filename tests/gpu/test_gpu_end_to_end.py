"""The digits example on the card: `eecompile build`, `eecompile engines`, `eerun run`, `eerun bench`."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from device_backends import backend_that_runs

from eecompile.device_engines.card import local_target
from eengines.backends import DEVICE_BACKENDS
from eengines.errors import EngineError


@pytest.fixture(scope="module")
def folder(device, digits_folder, command_environment, tmp_path_factory) -> Path:
    """The example, built with graphs for this card."""
    folder = tmp_path_factory.mktemp("gpu") / "digits"
    shutil.copytree(digits_folder, folder, ignore=shutil.ignore_patterns("*.ee"))
    try:
        target = local_target(0)
    except EngineError as error:
        pytest.skip(str(error))
    command(folder, command_environment, "eecompile", "build", "model.pt", "--target", target)
    return folder


def command(folder: Path, environment: dict[str, str], *words: object) -> str:
    done = subprocess.run([*map(str, words)], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module", params=[*DEVICE_BACKENDS])
def engine(request, folder, command_environment) -> tuple[str, dict]:
    """An engine that runs here, its engines built; the report of the first run."""
    backend_that_runs(request.param)
    words = ("--engine", request.param, "--measure-seconds", 0.2, "--json", "first.json")
    command(folder, command_environment, "eecompile", "engines", "model.ee", *words)
    return request.param, json.loads((folder / "first.json").read_bytes())


def test_engines_are_built_once(engine, folder, command_environment):
    name, first = engine
    assert first["configurations"]
    assert first["plans"]
    words = ("--engine", name, "--measure-seconds", 0.2, "--json", "second.json")
    command(folder, command_environment, "eecompile", "engines", "model.ee", *words)
    second = json.loads((folder / "second.json").read_bytes())
    kept = {plan["label"]: plan["status"] for plan in second["plans"]}
    assert set(kept) == {plan["label"] for plan in first["plans"]}
    from eengines.backends import find_device_backend

    if find_device_backend(name).has_plans:
        assert set(kept.values()) == {"hit"}


@pytest.mark.parametrize("flags", [(), ("--in-flight", 3), ("--device-exits",)])
def test_answers_agree_with_those_of_the_cpu(engine, folder, command_environment, flags):
    name = engine[0]
    command(folder, command_environment, "eerun", "run", "--engine", "onnxruntime", "--no-exits", "-o", "cpu.npz")
    command(folder, command_environment, "eerun", "run", "--engine", name, "-o", "gpu.npz", *flags)
    here, there = np.load(folder / "cpu.npz"), np.load(folder / "gpu.npz")
    assert (here["labels"] == there["labels"]).mean() > 0.95
    assert (there["labels"] == there["y"]).mean() > 0.95
    assert len(set(there["exit_index"].tolist())) > 1


def test_a_bench_run_knows_the_card(engine, folder, command_environment, device):
    words = ("--engine", engine[0], "--duration", 0.5, "--json", "bench.json")
    text = command(folder, command_environment, "eerun", "bench", *words)
    record = json.loads((folder / "bench.json").read_bytes())
    assert record["subject"]["engine"] == engine[0]
    assert record["gpu"]["card"] == device.name
    assert record["environment"]["driver"] == device.driver
    assert len(record["gpu"]["exits_off"]["steps"]) == len(record["exits"])
    assert record["gpu"]["whole"]["compute_ms"] > 0
    assert (record["gpu"]["card_state"] is None) == (record["gpu"]["no_card"] is not None)
    assert f"=== GPU ===\n{device.name}, compute capability " in text
