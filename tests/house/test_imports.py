"""The runtime is light: no torch, no onnx, no engine until a bundle is loaded."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "onnx", "onnx_ir", "onnxscript", "onnxruntime", "networkx", "PIL", "sklearn")


def modules_after(statement: str) -> set[str]:
    program = f"import sys\n{statement}\nprint(*(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import eerun",
        "import eengines.backends",
        "import eecalib.thresholds",
        "import eerun.cli.main",
        "import eecompile.cli.main",
        "import eerun.bundle, eerun.data, eerun.executor, eerun.policies, eerun.bench",
    ],
)
def test_nothing_heavy_is_imported(statement):
    assert modules_after(statement) == set()


def test_the_check_sees_what_is_imported():
    assert modules_after("import onnxruntime") == {"onnxruntime"}
