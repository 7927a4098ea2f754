"""A data set from the user's own function, named `package.module:function` on the command line."""

import importlib
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from eengines.errors import DataError, EEError
from eerun.data.arrays import data_set_from_arrays
from eerun.data.data_set import DataSet

__all__ = ["is_function_name", "load_from_function", "resolve_function"]

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_function_name(text: str) -> bool:
    """Whether a text has the form `package.module:function`."""
    return _NAME.fullmatch(text) is not None


def resolve_function(name: str, *, flag: str, error: type[EEError]) -> Callable[..., object]:
    """Import `package.module:function` and return the function.

    The current directory is put in front of the import path, as `python -m` does, and stays there.

    Args:
        name: the text that the user gave.
        flag: the command-line flag it was given to, for messages.
        error: the class to raise.
    """
    where = f"{flag} {name}"
    if not is_function_name(name):
        raise error(where, "is not of the form package.module:function", "Write for example --factory nets:make")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    module_name, _, attribute = name.partition(":")
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except ImportError as cause:
        remedy = "Run from the folder that holds the module, or put that folder on PYTHONPATH"
        raise error(where, f"cannot import '{module_name}': {cause}", remedy) from cause
    function = getattr(module, attribute, None)
    if not callable(function):
        state = "has no" if function is None else "has, but not as a function,"
        raise error(where, f"module '{module_name}' {state} '{attribute}'", f"Define '{attribute}' in {module_name}")
    found: Callable[..., object] = function
    return found


def load_from_function(name: str, *, input_names: Sequence[str]) -> DataSet:
    """Call `package.module:function` without arguments and check the arrays it returns.

    Args:
        name: the function; it returns a dict of arrays with the keys that `data_set_from_arrays` describes.
        input_names: the network's inputs.

    Raises:
        DataError: the function is not found, or does not return such a dict. What it raises itself passes through.
    """
    source = f"--data {name}"
    arrays = resolve_function(name, flag="--data", error=DataError)()
    if not isinstance(arrays, dict):
        raise DataError(source, f"returned {type(arrays).__name__}, expected a dict of arrays", "Return {'x': ...}")
    for key, array in arrays.items():
        if not isinstance(key, str) or not isinstance(array, np.ndarray):
            got = f"{key!r}: {type(array).__name__}"
            raise DataError(source, f"returned {got}, expected str: numpy array", "Convert it with np.asarray")
    return data_set_from_arrays(arrays, source=source, input_names=input_names)
