"""Work on a thread of its own, ended by what the caller's thread receives."""

import threading

import pytest

from eengines.nvinfer.interruptible import run_interruptible

WAIT_S = 60


def test_shares_arrive_in_order_on_the_callers_thread():
    shares, threads = [], set()

    def work(report):
        threads.add(threading.get_ident())
        return all(report(share) for share in (0.1, 0.5, 0.9))

    def progress(share):
        shares.append(share)
        threads.add(threading.get_ident() if threading.current_thread() is threading.main_thread() else -1)

    assert run_interruptible(work, progress) is True
    assert shares == [0.1, 0.5, 0.9]
    assert len(threads) == 2
    assert -1 not in threads


def test_what_the_work_raises_is_raised():
    def work(report):
        report(0.5)
        raise LookupError("inside")

    with pytest.raises(LookupError, match="inside"):
        run_interruptible(work, lambda _: None)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_what_progress_raises_is_raised_after_the_work_has_stopped(error):
    ended = []

    def work(report):
        steps = 0
        while report(0.5):
            steps += 1
        ended.append(steps)

    def progress(_share):
        raise error

    with pytest.raises(error):
        run_interruptible(work, progress)
    assert len(ended) == 1


def test_work_does_not_begin_when_its_thread_is_interrupted_while_it_starts(monkeypatch):
    """Ctrl-C between the start of the thread and the moment in which the pool knows it."""
    began, started = [], []
    start = threading.Thread.start

    def interrupted(thread):
        start(thread)
        started.append(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_interruptible(began.append, lambda _: None)
    started[0].join(WAIT_S)
    assert not started[0].is_alive()
    assert not began
