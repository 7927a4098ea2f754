"""Run quantisers in processes of their own: this project's, ONNX Runtime's and nvidia-modelopt.

ONNX Runtime's calibrators open sessions with thread pools of their own, which would not mix with the one shared pool of
a benchmark; nvidia-modelopt pins other versions of onnx and onnxruntime.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from benchmarks.calibration_cost import PREFIX

__all__ = ["Quantiser", "quantisers", "run_quantiser"]

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Quantiser:
    """One quantiser with one way to choose ranges.

    Attributes:
        tool: `ours`, `ort` or `modelopt`.
        method: its calibrator.
        python: the interpreter that has the tool.
    """

    tool: str
    method: str
    python: str

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.tool} {self.method}"


def quantisers(modelopt: Path | None) -> tuple[Quantiser, ...]:
    """The rivals at hand."""
    ort = [Quantiser(tool="ort", method=method, python=sys.executable) for method in ("min-max", "entropy")]
    if modelopt is None:
        print("nvidia-modelopt is skipped: its interpreter is not given (--modelopt-python)", file=sys.stderr)
        return tuple(ort)
    return (*ort, *(Quantiser(tool="modelopt", method=m, python=str(modelopt)) for m in ("max", "entropy")))


def run_quantiser(quantiser: Quantiser, model: Path, images: Path, out: Path, *, name: str) -> dict[str, object]:
    """Quantise `model` with the images; return what its process reports, and the seconds of the whole process.

    Args:
        quantiser: which one.
        model: ONNX graph.
        images: `.npy` file.
        out: where the result goes.
        name: of the graph's input.

    Raises:
        RuntimeError: the process failed; the message ends like its output.
    """
    script = HERE / f"calibration_{quantiser.tool}.py"
    words = [quantiser.python, script, model, images, out, "--method", quantiser.method, "--input", name]
    started = perf_counter()
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        cwd=model.parent,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(PREFIX)]
    if done.returncode or not lines:
        raise RuntimeError(f"{quantiser.name} failed: {(done.stdout + done.stderr)[-2000:]}")
    result: dict[str, object] = json.loads(lines[-1].removeprefix(PREFIX))
    return {"name": quantiser.name, **result, "process_s": perf_counter() - started}
