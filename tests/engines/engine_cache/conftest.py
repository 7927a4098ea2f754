"""The tests share a backend that is a module of this folder, which pytest's importlib mode does not put on the path."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))


@pytest.fixture
def said() -> list[str]:
    """What the cache says, for `say=said.append`."""
    return []
