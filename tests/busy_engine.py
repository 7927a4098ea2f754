"""A model that is busy for as long as a test likes, so that calls wait for it however fast the machine is."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

WAIT_S = 30


@contextmanager
def engine_busy(model, x) -> Iterator[None]:
    """The thread of the engine hands an answer to somebody who takes his time."""
    began, go_on = threading.Event(), threading.Event()

    def hold(_):
        began.set()
        go_on.wait(WAIT_S)

    future = model.submit(x[:1], max_exit=0, on_exit=hold)
    assert began.wait(WAIT_S)
    try:
        yield
    finally:
        go_on.set()
        future.result(WAIT_S)
