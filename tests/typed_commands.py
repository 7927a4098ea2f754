"""Commands that a page or a script shows, run as a user types them."""

import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

__all__ = ["shown_commands", "typed"]


def shown_commands(text: str) -> list[str]:
    """Lines of a script or a page that start one of the two programs, or the training of an example, in order."""
    return re.findall(r"^ *((?:eecompile|eerun|python train\.py)(?: .*)?)$", text, re.MULTILINE)


def typed(command: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Run it in a folder, and return what it prints; it must not fail."""
    done = subprocess.run(
        shlex.split(command), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
