"""A progress bar that draws only when it is told to: a bar with a thread of its own would disturb what is measured."""

from time import perf_counter
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["ProgressBar"]

REDRAW_S = 0.2


class ProgressBar:
    """One bar with the time left, on stderr, gone when it is done; nothing where stderr is no terminal."""

    def __init__(self, title: str) -> None:
        console = Console(stderr=True)
        self._shown = console.is_terminal
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            auto_refresh=False,
            disable=not self._shown,
        )
        self._task = self._bar.add_task(title, total=1.0)
        self._drawn = perf_counter()

    def __enter__(self) -> Self:
        """Start to draw."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the bar."""
        self._bar.stop()

    def show(self, share: float) -> None:
        """Show how much is done, 0 to 1; most calls return at once."""
        now = perf_counter()
        if self._shown and now - self._drawn >= REDRAW_S:
            self._drawn = now
            self._bar.update(self._task, completed=share, refresh=True)
