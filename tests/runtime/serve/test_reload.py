"""A bundle is replaced while it is served: by another, by a corrupt one, and back.

`eecompile tune` replaces one in tests/eecompile/tune/test_tune_while_served.py.
"""

import concurrent.futures
import json
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
import tritonclient.http as client
from busy_engine import engine_busy
from clients_under_load import under_load
from raw_http import post
from served_on_a_thread import served_on_thread
from tritonclient.utils import InferenceServerException

import eerun
from eengines.errors import BundleError
from eerun.bundle import PolicyFile, amend_bundle, open_bundle
from eerun.bundle.manifest import MANIFEST_NAME
from eerun.serve.repository import Repository
from eerun.serve.settings import ServeSettings
from eerun.serve.watch_bundles import BundleWatch

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""gevent, below tritonclient, complains of clients that are collected by another thread than theirs."""

OPTIONS = {"port": 0, "grpc_port": None, "engine": "onnxruntime", "threads": 2}


@pytest.fixture
def copied(tiny_bundle, tmp_path):
    """A bundle that a test may change."""
    return shutil.copytree(tiny_bundle.path, tmp_path / "tiny.ee")


def settings_of(path, **change):
    return ServeSettings(bundles=(("tiny", path),), **{**OPTIONS, "reload_s": 0.05, **change})


def set_threshold(path, threshold):
    """Write the bundle anew, as `eecompile tune` does."""
    policy = replace(open_bundle(path).read_json("policy/policy.json", PolicyFile), thresholds=(threshold,))
    amend_bundle(path, lambda manifest: manifest.configurations, {"policy/policy.json": policy})


def corrupt(path):
    """A manifest that says something else of a graph that is damaged."""
    set_threshold(path, 0.123)
    graph = path / "segments/1.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.unlink()
    graph.write_bytes(bytes(content))


def eventually(holds) -> bool:
    deadline = time.monotonic() + 20
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def infer(triton, rows):
    given = client.InferInput("x", list(rows.shape), "FP32")
    given.set_data_from_numpy(rows)
    return triton.infer("tiny", [given])


def expected(path, x):
    with eerun.load(path, engine="onnxruntime", threads=2) as model:
        return model.infer(x)


def test_a_new_bundle_takes_over_under_load_and_nobody_is_lost(tiny_bundle, copied):
    exits, results = {"1": expected(copied, tiny_bundle.x).exit_index}, []
    with served_on_thread(settings_of(copied)) as server, under_load(server, tiny_bundle.x, results):
        assert eventually(lambda: len(results) > 20)
        set_threshold(copied, 0.9)
        assert eventually(lambda: results[-1][1] == "2")
        count = len(results)
        assert eventually(lambda: len(results) > count + 20)
        state = server.repository.reload_state("tiny")
    assert (state.reloads, state.reload_failures, state.last_reload_error) == (1, 0, None)
    exits["2"] = expected(copied, tiny_bundle.x).exit_index
    assert not np.array_equal(exits["1"], exits["2"])
    assert all(np.array_equal(found, exits[version][row : row + 2]) for row, version, found in results)
    assert {version for _, version, _ in results} == {"1", "2"}


def test_a_corrupt_bundle_changes_nothing_but_is_told(tiny_bundle, copied, tmp_path, caplog):
    exits, results = expected(copied, tiny_bundle.x).exit_index, []
    good = shutil.copytree(copied, tmp_path / "good.ee")
    with served_on_thread(settings_of(copied)) as server, client.InferenceServerClient(server.address) as triton:
        with under_load(server, tiny_bundle.x, results):
            corrupt(copied)
            assert eventually(lambda: server.repository.reload_state("tiny").reload_failures)
            count = len(results)
            assert eventually(lambda: len(results) > count + 20)
            assert triton.is_server_ready()
            (entry,) = triton.get_model_repository_index()
            assert (entry["state"], entry["version"]) == ("READY", "1")
            assert "segments/1.onnx" in entry["reason"]
            with pytest.raises(InferenceServerException, match=r"segments/1.onnx"):
                triton.load_model("tiny")
        assert all(np.array_equal(found, exits[row : row + 2]) for row, _, found in results)
        said = [record for record in caplog.records if "version 1 goes on" in record.getMessage()]
        assert len(said) == 1  # however often it was looked at
        for name in ("segments/1.onnx", "policy/policy.json", MANIFEST_NAME):
            (copied / name).unlink()
            shutil.copy(good / name, copied / name)
        assert eventually(lambda: not triton.get_model_repository_index()[0]["reason"])
        assert triton.get_model_repository_index()[0]["version"] == "1"  # it is the one that was served all the time


def test_load_takes_a_new_bundle_at_once(tiny_bundle, copied):
    settings = settings_of(copied, reload_s=0.0)
    with served_on_thread(settings) as server, client.InferenceServerClient(server.address) as triton:
        set_threshold(copied, None)
        assert infer(triton, tiny_bundle.x[:50]).as_numpy("exit_index").min() == 0
        triton.load_model("tiny")
        answer = infer(triton, tiny_bundle.x[:50])
        assert answer.as_numpy("exit_index").tolist() == [1] * 50
        assert answer.get_response()["model_version"] == "2"
        with pytest.raises(InferenceServerException, match="there is 2"):
            triton.get_model_metadata("tiny", "1")


def test_who_waits_in_the_old_model_is_answered_by_it(tiny_bundle, copied):
    body = {"inputs": [{"name": "x", "shape": [1, 24], "datatype": "FP32", "data": tiny_bundle.x[0].tolist()}]}
    with served_on_thread(settings_of(copied, reload_s=0.0)) as server:
        old = server.repository.get("tiny").model
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            with engine_busy(old, tiny_bundle.x):
                waiting = pool.submit(post, server, json.dumps(body).encode())
                assert eventually(lambda: old.statistics().queued_requests == 1)
                set_threshold(copied, None)
                reloading = pool.submit(server.repository.reload, "tiny")
                assert eventually(lambda: server.repository.get("tiny").version == "2")
                assert not waiting.done()
            assert reloading.result(10)
            reply = waiting.result(10)
    assert (reply.status, json.loads(reply.body)["model_version"]) == (200, "1")


def test_a_bundle_is_looked_at_when_it_no_longer_changes(copied):
    repository = Repository(settings_of(copied))
    try:
        watch = BundleWatch(repository, "tiny")
        watch.look()
        assert repository.reload_state("tiny").reloads == 0
        set_threshold(copied, None)
        watch.look()
        assert repository.get("tiny").version == "1"  # seen for the first time: it may still change
        watch.look()
        assert repository.get("tiny").version == "2"
        watch.look()
        assert repository.reload_state("tiny").reloads == 1
        (copied / MANIFEST_NAME).rename(copied / "away")
        for _ in range(4):
            watch.look()
        state = repository.reload_state("tiny")
        assert (state.reload_failures, repository.get("tiny").version) == (1, "2")
        assert "no manifest.json" in state.last_reload_error
    finally:
        repository.close()


def test_a_damaged_bundle_is_not_served_at_all(copied):
    corrupt(copied)
    with pytest.raises(BundleError, match=r"segments/1.onnx"):
        Repository(settings_of(copied))
