"""Ask something again and again, in a thread of its own, while something else runs."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

from eengines.errors import EngineError

__all__ = ["Watch"]

T = TypeVar("T")


class Watch(Generic[T]):
    """Collects answers while a `with` lasts, at least one at its start and one at its end.

    Attributes:
        answers: in the order of time.

    Args:
        ask: what is asked; it should release the interpreter's lock while it waits.
        interval_s: seconds between two questions.

    Raises:
        EngineError: `ask` raised it; it leaves the `with`, unless that is left by another error.
    """

    def __init__(self, ask: Callable[[], T], *, interval_s: float) -> None:
        self.answers: list[T] = []
        self._ask, self._interval_s = ask, interval_s
        self._failed: EngineError | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="eengines-watch", daemon=True)

    def __enter__(self) -> "Watch[T]":
        self.answers.append(self._ask())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        if kind is None and self._failed is not None:
            raise self._failed
        if kind is None:
            self.answers.append(self._ask())

    def _run(self) -> None:
        try:
            while not self._end.wait(self._interval_s):
                self.answers.append(self._ask())
        except EngineError as error:
            self._failed = error
