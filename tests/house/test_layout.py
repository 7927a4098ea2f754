"""Rules of the house that a test can see."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("eecompile", "calib", "runtime", "engines")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
MAX_LINES = 400
MAX_FUNCTION_LINES = 60
NAMELESS = {"utils", "helpers", "common", "misc"}


def functions(path: Path):
    tree = ast.parse(path.read_text())
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_sources_were_found():
    assert len(SOURCES) > 50


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_small_files_with_names(path):
    assert len(path.read_text().splitlines()) <= MAX_LINES
    assert path.stem not in NAMELESS
    assert ast.get_docstring(ast.parse(path.read_text())), "every module says what it is for"
    commands = "cli" in path.parts
    long = [f.name for f in functions(path) if f.end_lineno - f.lineno + 1 > MAX_FUNCTION_LINES and not commands]
    assert not long


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_holds_one_typed_package(room):
    packages = [p.parent.name for p in (ROOT / room).glob("*/__init__.py")]
    assert len(packages) == 1
    assert (ROOT / room / packages[0] / "py.typed").is_file()
    folders = {p.parent for p in (ROOT / room).rglob("*.py")}
    assert all((folder / "__init__.py").is_file() for folder in folders)
