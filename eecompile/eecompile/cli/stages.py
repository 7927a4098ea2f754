"""Show the stages of a build on the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["ConsoleStages"]


class ConsoleStages:
    """One line a stage, with a bar and the time left while it runs; on stderr, so that stdout stays clean."""

    def __init__(self, *, verbose: bool) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._verbose = verbose
        self._task: TaskID | None = None
        self._title = ""
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )

    def __enter__(self) -> Self:
        """Start to draw."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to draw."""
        self._bar.stop()

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Show a stage while the context lasts."""
        started = perf_counter()
        self._task, self._title = self._bar.add_task(title, total=None), title
        try:
            yield
        finally:
            self._bar.remove_task(self._task)
            self._task = None
        self._console.print(f"[green]✓[/green] {title} [dim]{perf_counter() - started:.1f} s[/dim]")

    def progress(self, share: float) -> None:
        """Say how much of the current stage is done."""
        if self._task is not None:
            self._bar.update(self._task, total=1.0, completed=share)

    def note(self, text: str) -> None:
        """Show how the current stage is going, behind its title."""
        if self._task is not None:
            self._bar.update(self._task, description=f"{self._title}: {text}")

    def detail(self, text: str) -> None:
        """Explain a decision, with `-v`."""
        if self._verbose:
            self._console.print(f"  {text}", style="dim", markup=False)

    def warn(self, text: str) -> None:
        """Say something that the user should know."""
        self._console.print(f"! {text}", style="yellow", markup=False)
