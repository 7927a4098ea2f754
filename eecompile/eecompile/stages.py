"""How a build tells what it is doing."""

from contextlib import AbstractContextManager
from typing import Protocol

__all__ = ["Stages"]


class Stages(Protocol):
    """Where the stages of a build are shown."""

    def stage(self, title: str) -> AbstractContextManager[None]:
        """Show a stage while the context lasts."""

    def progress(self, share: float) -> None:
        """Say how much of the current stage is done, 0 to 1."""

    def note(self, text: str) -> None:
        """Show how the current stage is going, beside its progress; the next note takes its place."""

    def detail(self, text: str) -> None:
        """Explain a decision; shown with `-v`."""

    def warn(self, text: str) -> None:
        """Say something that the user should know; always shown."""
