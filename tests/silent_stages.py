"""Stages of a build that nobody watches."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["SilentStages"]


class SilentStages:
    """Shows nothing; where warnings matter, see `RecordedStages`."""

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:  # noqa: ARG002 - as promised
        yield

    def progress(self, share: float) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def detail(self, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        pass
