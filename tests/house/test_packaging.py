"""The wheel holds the four packages and nothing else, and runs where neither torch nor onnx are installed."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT)
    return next(folder.glob("*.whl"))


def test_wheel_contents(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"eecompile", "eecalib", "eerun", "eengines"}
    assert {f"{top}/py.typed" for top in tops} <= set(names)
    others = {n for n in names if not n.endswith((".py", "py.typed")) and ".dist-info/" not in n}
    assert others == {"eerun/device_executor/leave_and_compact.cu", "eerun/serve/status/page.html"}


@pytest.fixture(scope="module")
def clean_python(wheel, tmp_path_factory) -> Path:
    """An environment with the wheel and one engine, without the extra `compile`."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    quickly = ("--quiet", "--no-compile")  # most modules are never imported here
    run(python, "-m", "pip", "install", *quickly, "-c", constraints, f"eecompile[cpu] @ {wheel.as_uri()}")
    return python


def test_runtime_without_torch_and_onnx(clean_python, digits_bundle, tmp_path):
    installed = {p["name"].lower() for p in json.loads(run(clean_python, "-m", "pip", "list", "--format", "json"))}
    assert not installed & {"torch", "onnx", "onnx-ir", "onnxscript", "networkx", "scipy"}
    eerun = clean_python.parent / "eerun"
    folder = digits_bundle.parent

    run(eerun, "run", "--bundle", digits_bundle, "--data", folder / "model.npz", "-o", tmp_path / "answers.npz")
    out = run(eerun, "bench", "--bundle", digits_bundle, "--batch", "32", "--duration", "0.5")

    assert "=== Verdict ===" in out
    program = (
        "import numpy as np, eerun, sys\n"
        f"m = eerun.load({str(digits_bundle)!r})\n"
        f"y = np.load({str(tmp_path / 'answers.npz')!r})['labels']\n"
        f"x = np.load({str(folder / 'model.npz')!r})['x_test']\n"
        "assert (m.infer(x).labels == y).all()\n"
        "assert not {'torch', 'onnx'} & set(sys.modules)\n"
        "print(len(y))"
    )
    assert int(run(clean_python, "-c", program)) > 100


def test_compiler_names_the_missing_extra(clean_python, digits_bundle):
    done = subprocess.run(
        [str(clean_python.parent / "eecompile"), "build", str(digits_bundle.parent / "model.pt")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'eecompile[compile]'" in done.stderr
    assert "Traceback" not in done.stderr
