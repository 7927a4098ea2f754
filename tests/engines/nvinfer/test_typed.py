"""What the contract test compares is all that is used: every value of the library has one of the declared types.

mypy refuses an attribute that a type does not list, unless a value is `Any`. So nothing here may be `Any`, no attribute
may be looked up by a string, and types may be asserted only where values come in.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ENGINES = Path(__file__).resolve().parents[3] / "engines"
SOURCES = sorted((ENGINES / "eengines" / "nvinfer").glob("*.py")) + sorted(
    (ENGINES / "eengines" / "backends").glob("tensorrt*.py")
)
MAY_CAST = {
    "library.py": "the module",
    "offers.py": "what has all members of a type",
    "messages.py": "an instance of a class made of theirs",
    "build_progress.py": "an instance of a class made of theirs",
}
DECLARATIONS = {"api.py", "api_enums.py", "api_of_some.py", "library_api.py"}
PROBE = """
from eengines.nvinfer import api


def allowed(network: api.INetworkDefinition, tensor: api.ITensor) -> api.ITensor:
    return network.add_shuffle(tensor).get_output(0)


def wrong(network: api.INetworkDefinition, tensor: api.ITensor) -> None:
    network.add_squeeze(tensor, tensor)
    network.add_shuffle(tensor, tensor)
    tensor.set_dynamic_range(0, 1)
"""


def names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_escapes_the_types(path):
    used = names(ast.parse(path.read_text()))
    assert not used & {"Any", "getattr", "setattr", "eval", "vars", "import_module"} - (
        {"vars"} if path.name == "offers.py" else {"import_module"} if path.name == "library.py" else set()
    )
    assert "hasattr" not in used or path.name == "offers.py"
    assert "cast" not in used or path.name in MAY_CAST


def test_sources_were_found():
    assert len(SOURCES) > 15
    assert set(MAY_CAST) <= {path.name for path in SOURCES}


def test_nothing_is_declared_that_is_not_used():
    trees = [ast.parse(path.read_text()) for path in SOURCES]
    declared = [tree for path, tree in zip(SOURCES, trees, strict=True) if path.name in DECLARATIONS]
    assert len(declared) == len(DECLARATIONS)
    classes = [node for tree in declared for node in tree.body if isinstance(node, ast.ClassDef)]
    listed = {
        item.target.id if isinstance(item, ast.AnnAssign) else item.name
        for one in classes
        for item in one.body
        if isinstance(item, ast.AnnAssign | ast.FunctionDef)
    }
    used = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    called_by_the_library = {"log", "phase_start", "phase_finish", "step_complete"}
    tells_the_enum = {"SM75"}
    unused = listed - used - called_by_the_library - tells_the_enum
    assert {name for name in unused if not name.startswith("__")} == set()


def test_mypy_refuses_what_is_not_declared(tmp_path):
    pytest.importorskip("mypy", reason="mypy is not installed: pip install 'eecompile[dev]'")
    probe = tmp_path / "probe.py"
    probe.write_text(PROBE)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path / 'cache'}", str(probe)],
        env={**os.environ, "MYPYPATH": str(ENGINES)},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len(errors) == 3, done.stdout + done.stderr
    assert '"INetworkDefinition" has no attribute "add_squeeze"' in errors[0]
    assert 'Too many arguments for "add_shuffle"' in errors[1]
    assert '"ITensor" has no attribute "set_dynamic_range"' in errors[2]
