"""What a test needs and a machine may lack: it is skipped, or fails where `EECOMPILE_NO_SKIPS=1` says that it is there.

CI sets the variable, so that a check cannot vanish there unseen.
"""

import os
import shutil
from importlib import import_module
from typing import Any, NoReturn

import pytest

__all__ = ["require_module", "require_program", "require_rtx", "skip_or_fail"]

VARIABLE = "EECOMPILE_NO_SKIPS"
RTX = "tensorrt_rtx is not installed: pip install 'eecompile[rtx]'"


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test, or the file that is being imported; fail where nothing may be skipped."""
    if os.environ.get(VARIABLE) == "1":
        pytest.fail(f"{VARIABLE}=1, but {reason}", pytrace=False)
    pytest.skip(reason, allow_module_level=True)


def require_module(name: str, reason: str) -> Any:
    """Import a module, or skip or fail."""
    try:
        return import_module(name)
    except ImportError:
        skip_or_fail(reason)


def require_program(name: str) -> None:
    """Find a program, or skip or fail."""
    if shutil.which(name) is None:
        skip_or_fail(f"{name} is not installed")


def require_rtx() -> Any:
    """Import TensorRT for RTX, or skip or fail."""
    return require_module("tensorrt_rtx", RTX)
