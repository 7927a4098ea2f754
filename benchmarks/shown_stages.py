"""Stages of a build, one line each on stderr."""

import sys
from contextlib import nullcontext
from typing import Any

__all__ = ["ShownStages"]


class ShownStages:
    """Shows stages and warnings, no progress and no details."""

    def stage(self, title: str) -> Any:
        """Name the stage."""
        print(f"  {title} ...", file=sys.stderr)
        return nullcontext()

    def progress(self, share: float) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

    def detail(self, text: str) -> None:
        """Show nothing."""

    def warn(self, text: str) -> None:
        """Pass the warning on."""
        print(f"  ! {text}", file=sys.stderr)
