"""A call that is handed over again has what is left of its deadline."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest
from required import require_module

from eengines.errors import DeadlineError
from eerun.serve.settings import ServeSettings

pytestmark = pytest.mark.filterwarnings("ignore:Using extra keyword arguments on `Field`")  # Ray's own


@pytest.fixture
def ingress(monkeypatch):
    exceptions = require_module("ray.exceptions", "ray is not installed: pip install 'eecompile[ray]'")
    from eerun.serve.ray import ingress as module

    clock_ns, given = iter((0, 40_000_000, 120_000_000)), []
    monkeypatch.setattr(module, "perf_counter_ns", lambda: next(clock_ns))

    async def died(_, **terms):
        given.append(terms)
        raise exceptions.ActorUnavailableError("it died", None)

    replicas = SimpleNamespace(infer=SimpleNamespace(remote=died))
    settings = ServeSettings(bundles=(("m", Path("model.ee")),))
    return module.Ingress(replicas, attempts=3, settings=settings), given


def test_a_deadline_goes_on_after_a_replica_died(ingress):
    asked, given = ingress
    with pytest.raises(DeadlineError, match="its deadline passed when its replica had died"):
        asyncio.run(asked.infer(None, deadline_ms=100, min_exit=1))
    assert given == [{"deadline_ms": 100, "min_exit": 1}, {"deadline_ms": 60.0, "min_exit": 1}]
