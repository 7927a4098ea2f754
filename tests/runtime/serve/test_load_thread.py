"""Loads run one after the other in a thread of their own; those that wait for the same name are one."""

import asyncio
import threading
from dataclasses import replace

import pytest

from eengines.errors import ClosedError
from eerun.serve.errors import RequestError
from eerun.serve.load_thread import LoadThread
from eerun.serve.oip.loads import load

WAIT_S = 30


async def started(coroutine):
    task = asyncio.ensure_future(coroutine)
    await asyncio.sleep(0)
    return task


def test_loads_that_wait_are_one_and_other_threads_stay_free():
    began, go_on, loaded = threading.Event(), threading.Event(), []

    def slow(name):
        loaded.append(name)
        began.set()
        return go_on.wait(WAIT_S)

    async def ask():
        loads = LoadThread(slow)
        first = await started(loads.load("a"))
        assert await asyncio.to_thread(began.wait, WAIT_S)
        waiting = [await started(loads.load(name)) for name in ("a", "b") * 50]
        waiting[0].cancel()  # one client goes: the others still want it
        assert await asyncio.wait_for(asyncio.to_thread(lambda: 7), WAIT_S) == 7
        go_on.set()
        assert await first
        assert await asyncio.gather(*waiting[1:]) == [True] * 99
        loads.close()
        with pytest.raises(ClosedError):
            await loads.load("a")

    asyncio.run(ask())
    assert loaded == ["a", "a", "b"]


def test_a_server_may_refuse_to_load(server, monkeypatch):
    monkeypatch.setattr(server.repository, "settings", replace(server.repository.settings, load_over_network=False))
    with pytest.raises(RequestError, match="loads nothing over the network"):
        asyncio.run(load(server.repository, "tiny", ()))
