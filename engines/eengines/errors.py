"""The one error tree of the project.

    EEError
    ├── UserError      exit 2, HTTP 400: an argument, a file or an array that the caller gave
    │   ├── InputError   an array given to `infer`: shape, dtype, range, not finite
    │   └── DataError    a data set: missing, unreadable, without a needed split
    ├── BuildError     exit 3, HTTP 500: a network that cannot be compiled
    │   ├── IngestError  the model does not load or does not export
    │   └── SplitError   the graph cannot be cut into segments
    ├── BundleError    exit 4, HTTP 500: a bundle that is damaged, unknown or not what it says
    ├── EngineError    exit 5, HTTP 503: an engine that is missing or fails
    └── RefusedError   exit 6, HTTP 503: a request that a model in service does not answer
        ├── OverloadError  too many samples wait already; says when to try again
        ├── DeadlineError  HTTP 504: its deadline has passed, or cannot be kept
        └── ClosedError    the model is closed or being closed, or belongs to another process

A message has three parts: where, what was got against what was expected, and what to do.
"""

from functools import partial
from typing import Any, ClassVar

__all__ = [
    "BuildError",
    "BundleError",
    "ClosedError",
    "DataError",
    "DeadlineError",
    "EEError",
    "EngineError",
    "IngestError",
    "InputError",
    "OverloadError",
    "RefusedError",
    "SplitError",
    "UserError",
]


class EEError(Exception):
    """Base of all errors of this project.

    Args:
        where: file, segment, tensor or flag that the error is about.
        problem: what was got, against what was expected.
        remedy: what the reader can do about it.
    """

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        super().__init__(where, problem, remedy)
        self.where = where
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}. {self.remedy}."


class UserError(EEError):
    """The caller gave something that cannot be used."""

    exit_code = 2
    http_status = 400


class InputError(UserError):
    """An array given to `infer` has the wrong shape, dtype or range, or is not finite."""


class DataError(UserError):
    """A data set is missing, unreadable, or lacks a split that is needed."""


class BuildError(EEError):
    """A network cannot be compiled."""

    exit_code = 3


class IngestError(BuildError):
    """A model does not load, or does not export to ONNX."""


class SplitError(BuildError):
    """A graph cannot be cut into segments."""


class BundleError(EEError):
    """A bundle is damaged, of an unknown version, or not what its manifest says."""

    exit_code = 4


class EngineError(EEError):
    """An engine library is missing, or an engine fails to load or run."""

    exit_code = 5
    http_status = 503


class RefusedError(EEError):
    """A model in service does not answer a request; nothing is wrong with the request itself."""

    exit_code = 6
    http_status = 503


class OverloadError(RefusedError):
    """Too many samples wait already.

    Args:
        where: see `EEError`.
        problem: see `EEError`.
        remedy: see `EEError`.
        retry_after_s: seconds after which there will be room again, as far as measured times tell.
    """

    def __init__(self, where: str, problem: str, remedy: str, *, retry_after_s: float) -> None:
        super().__init__(where, problem, remedy)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle: it goes from one process to another."""
        return partial(type(self), retry_after_s=self.retry_after_s), self.args


class DeadlineError(RefusedError):
    """The deadline of a request has passed, or can no longer be kept, before any of its samples ran."""

    http_status = 504


class ClosedError(RefusedError):
    """The model is closed or being closed, or it was loaded in the parent of this process."""
