"""A model that failed is asked again, so that the server becomes ready without a client."""

import asyncio

import pytest

from benchmarks.fragile_bundle import write_fragile
from eengines.errors import EngineError
from eerun.serve import probe_models as module
from eerun.serve.oip.index import repository_index
from eerun.serve.repository import Repository
from eerun.serve.settings import ServeSettings


def test_a_model_that_answers_again_is_ready(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    fragile = write_fragile(tmp_path / "fragile.ee")
    settings = ServeSettings(bundles=(("fragile", fragile.path),), engine="onnxruntime", threads=2, whole=True)
    repository = Repository(settings)

    async def probe_until_ready():
        running = asyncio.create_task(module.probe_models(repository))
        while not repository.ready():
            await asyncio.sleep(0.01)
        running.cancel()

    try:
        model = repository.get("fragile").model
        for _ in range(3):
            with pytest.raises(EngineError):
                model.submit(fragile.poison).result(10)
        assert not repository.ready()
        (entry,) = repository_index(repository)
        assert (entry["state"], entry["reason"]) == ("UNAVAILABLE", "its last runs failed")
        assert repository_index(repository, only_ready=True) == []
        asyncio.run(asyncio.wait_for(probe_until_ready(), 10))
        assert repository_index(repository, only_ready=True)[0]["state"] == "READY"
    finally:
        repository.close()
    assert not repository.ready()
