"""Errors of a training that `eecompile build` starts, in the names of its own flags."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from eengines.errors import UserError

__all__ = ["flags_of_build"]

RENAMED = re.compile(r"(?<![\w-])--(epochs|augmentation)(?![\w-])")
"""Flags of `eecompile fold` that are `--fold-epochs` and `--fold-augmentation` here."""


@contextmanager
def flags_of_build() -> Iterator[None]:
    """Name flags as `eecompile build` has them.

    Raises:
        UserError: one that came up inside.
    """
    try:
        yield
    except UserError as error:
        parts = [RENAMED.sub(r"--fold-\1", part) for part in (error.where, error.problem, error.remedy)]
        raise type(error)(*parts) from error
