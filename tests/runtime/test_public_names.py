"""What users write against: these names stay, are typed, and take these options."""

import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path

import eerun

STRICT = """
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

import eerun


def answer(path: str, x: NDArray[np.uint8]) -> NDArray[np.int64]:
    with eerun.load(path, scheduling=eerun.SchedulerSettings(max_queue=10), whole=False) as model:
        future: Future[eerun.Result] = model.submit(x, deadline_ms=5, on_exit=heard)
        counts: eerun.Snapshot = model.statistics()
        assert counts.requests >= 0 and model.healthy
        labels: NDArray[np.int64] = future.result().labels
        return labels


def heard(left: eerun.Left) -> None:
    reveal: int = left.exit_index
    print(reveal, left.samples)


async def ask(model: eerun.Model, x: NDArray[np.uint8]) -> float:
    result = await model.ainfer(x, min_exit=1)
    return float(result.confidence[0])
"""

WRONG = "\n\ndef wrong(model: eerun.Model) -> str:\n    return model.submit(1).result().labels\n"


def test_names():
    assert eerun.__all__ == ["Left", "Model", "Result", "SchedulerSettings", "Snapshot", "load"]
    assert all(hasattr(eerun, name) for name in eerun.__all__)
    public = {name for name in vars(eerun.Model) if not name.startswith("_")}
    assert public == {
        "ainfer", "close", "healthy", "infer", "metrics", "output_shape", "statistics", "submit",
    }  # fmt: skip
    options = ["exits", "min_exit", "max_exit", "deadline_ms", "on_exit"]
    for method in (eerun.Model.submit, eerun.Model.ainfer):
        assert list(inspect.signature(method).parameters)[2:] == options
    assert list(inspect.signature(eerun.Model.infer).parameters) == ["self", "x", "exits"]
    assert list(inspect.signature(eerun.Model.close).parameters) == ["self", "drain", "timeout_s"]
    fields = [field.name for field in dataclasses.fields(eerun.Result)]
    assert fields[:5] == ["outputs", "labels", "exit_index", "confidence", "steps"]
    assert {"path", "engine", "max_batch", "in_flight", "whole", "scheduling"} <= set(
        inspect.signature(eerun.load).parameters
    )


def test_a_typed_program_passes_a_strict_check_and_a_wrong_one_does_not(tmp_path):
    assert (Path(eerun.__file__).parent / "py.typed").is_file()
    found = []
    for name, program in (("right.py", STRICT), ("wrong.py", STRICT + WRONG)):
        (tmp_path / name).write_text(program)
        command = [sys.executable, "-m", "mypy", "--strict", "--python-version", "3.11", "--follow-imports", "silent"]
        done = subprocess.run(
            [*command, "--cache-dir", str(tmp_path / "cache"), name],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        found.append((done.returncode, done.stdout))
    assert found[0][0] == 0, found[0][1]
    assert found[1][0] == 1
    assert "Incompatible return value type" in found[1][1]
