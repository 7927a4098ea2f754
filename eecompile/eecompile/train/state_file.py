"""A training run on disk, so that it can be resumed: tensors and plain values, read without running code.

format    "eecompile.training/1"
run       what the run depends on, by subject, each as a digest or as words
epoch     how many epochs were finished
learners  weights, momentum, learning rates and best weights
history   mean loss of each epoch, by exit
scaler    of float16's gradients
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from eecompile.torch_file import load_tensors_only
from eengines.errors import UserError

__all__ = ["StateFile"]

FORMAT = "eecompile.training/1"
CONTENT = ("run", "epoch", "learners", "history", "scaler")
REMEDY = "Give the state of an interrupted training, or train anew"


class StateFile:
    """Where the state of one run is kept.

    Args:
        path: the file; after an interrupted write it is the one before.
        run: what the run depends on: subject -> digest or words.
    """

    def __init__(self, path: Path, run: Mapping[str, str]) -> None:
        self._path, self._run = path, dict(run)

    def __str__(self) -> str:
        return str(self._path)

    def write(self, content: Mapping[str, Any]) -> None:
        """Replace the file in one step."""
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.", suffix=".tmp")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                torch.save({"format": FORMAT, "run": self._run, **content}, file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        finally:
            temporary.unlink(missing_ok=True)

    def read(self) -> Mapping[str, Any] | None:
        """Return what was written; None where there is no file.

        Raises:
            UserError: a file of another format or of another run; the message says what differs.
            IngestError: a damaged file.
        """
        if not self._path.exists():
            return None
        content = load_tensors_only(self._path)
        found = content.get("format") if isinstance(content, dict) else None
        if not isinstance(content, dict) or found != FORMAT:
            problem = f"has format {found!r}, expected '{FORMAT}'"
            raise UserError(str(self._path), problem, REMEDY)
        missing = [key for key in CONTENT if key not in content]
        if missing or not isinstance(content["run"], dict):
            problem = f"lacks {', '.join(missing)}" if missing else "holds no dictionary under 'run'"
            raise UserError(str(self._path), f"{problem}, expected the state of a training", REMEDY)
        for subject, expected in self._run.items():
            got = content["run"].get(subject)
            if got != expected:
                problem = f"is the state of a run with other {subject}: got {_short(got)}, expected {_short(expected)}"
                raise UserError(str(self._path), problem, "Resume with what the run was started with, or train anew")
        return content


def _short(words: object) -> str:
    text = str(words)
    return text if len(text) <= 60 else f"{text[:12]}…"
