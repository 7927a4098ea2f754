"""The source decides the reader; a function is called from the current directory."""

import sys
from pathlib import Path

import numpy as np
import pytest

from eengines.errors import DataError
from eerun.data import default_data_path, load_data

MODULE = """
import numpy as np

def splits():
    return {"x_test": np.zeros((5, 2), np.float32), "y_test": np.arange(5)}

def not_a_dict():
    return [1, 2]

def lists():
    return {"x": [1, 2]}

constant = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = "my_samples_for_sources"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def test_a_function_is_called(module: str):
    data = load_data(f"{module}:splits", input_names=("x",))
    assert len(data.splits["test"]) == 5


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("missing", "has no 'missing'"),
        ("constant", "but not as a function, 'constant'"),
        ("not_a_dict", "returned list, expected a dict"),
        ("lists", "returned 'x': list, expected str: numpy array"),
    ],
)
def test_functions_that_do_not_fit(module: str, function: str, words: str):
    with pytest.raises(DataError, match=words):
        load_data(f"{module}:{function}", input_names=("x",))


def test_an_unknown_module_is_named(module: str):
    with pytest.raises(DataError, match="cannot import 'no_such_module_here'"):
        load_data("no_such_module_here:f", input_names=("x",))


def test_a_missing_path_names_the_three_kinds(tmp_path: Path):
    with pytest.raises(DataError, match=r"image folder, or package\.module:function"):
        load_data(tmp_path / "none", input_names=("x",))


def test_a_file_is_read_as_npz(tmp_path: Path):
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3)))
    assert len(load_data(str(tmp_path / "a.npz"), input_names=("x",)).splits["all"]) == 2


def test_a_folder_is_read_as_images(tmp_path: Path):
    with pytest.raises(DataError, match="no sub-folders"):
        load_data(tmp_path, input_names=("x",))


@pytest.mark.parametrize("name", ["model.pt", "model.ee"])
def test_the_default_lies_beside_the_model(tmp_path: Path, name: str):
    assert default_data_path(tmp_path / name) is None
    np.savez(tmp_path / "model.npz", x=np.zeros(1))
    assert default_data_path(tmp_path / name) == tmp_path / "model.npz"
