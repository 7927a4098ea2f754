"""A real server process, clients that do wrong, engines that fail and bundles that are damaged: it goes on."""

import json
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import psutil
import pytest

import eerun
from benchmarks.faulty_clients import FAULTS, Victim
from benchmarks.fragile_bundle import Fragile, write_fragile
from benchmarks.server_footprint import footprint, settled_footprint
from benchmarks.steady_clients import ANSWERED, LOST, REFUSED, WRONG, Right, SteadyClients, right_answers
from benchmarks.swap_bundle import DAMAGES, damage, replace_bundle, touch_bundle
from eerun.bench.server.eerun_server import EerunServer
from eerun.bench.server.http_json import ask

MODEL, MAX_BYTES, WAIT_S = "fragile", 2**18, 20
TIMES = {"trickle": 1, "poison": 3}
MEMORY_BYTES = 32 * 2**20
FLAGS = (
    *("--no-grpc", "--engine", "onnxruntime", "--threads", "2"),
    *("--reload-s", "0.1", "--request-timeout-s", "0.5", "--max-request-mib", "0.25"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Served:
    process: EerunServer
    victim: Victim
    right: Right

    @property
    def status(self):
        (model,) = json.loads(ask(self.process.address, "status.json")[1])["models"]
        return model

    def clients(self, **more) -> SteadyClients:
        return SteadyClients(self.process.address, MODEL, self.right, **more)


def serve(bundle: Fragile, right: Right):
    process = EerunServer(bundle.path, FLAGS)
    victim = Victim(address=process.address, model=MODEL, fragile=bundle, max_bytes=MAX_BYTES)
    return Served(process=process, victim=victim, right=right)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Fragile:
    return write_fragile(tmp_path_factory.mktemp("faults") / f"{MODEL}.ee")


@pytest.fixture(scope="module")
def right(bundle) -> Right:
    """The few samples that engines answer otherwise in other batches may get either answer."""
    with eerun.load(bundle.path, engine="onnxruntime", threads=2) as model:
        alone = [model.infer(bundle.x[n : n + 1]) for n in range(len(bundle.x))]
        whole = model.infer(bundle.x)
    answers = [
        {(whole.labels[n], whole.exit_index[n]), (one.labels[0], one.exit_index[0])} for n, one in enumerate(alone)
    ]
    assert sum(len(each) > 1 for each in answers) < 4
    found = right_answers("x", bundle.x, [whole])
    return Right(name=found.name, x=found.x, answers=tuple(map(frozenset, answers)))


@pytest.fixture(scope="module")
def served(bundle, right):
    found = serve(bundle, right)
    with found.process:
        yield found


def wait_for(happened) -> None:
    end = time.monotonic() + WAIT_S
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


def answers_some(clients: SteadyClients, count: int = 20) -> None:
    """Wait until so many more requests were answered."""
    goal = clients.counts.get(ANSWERED, 0) + count
    wait_for(lambda: clients.counts.get(ANSWERED, 0) >= goal)


def only_answered(clients: SteadyClients) -> None:
    assert set(clients.counts) == {ANSWERED}, (clients.counts, clients.reasons)


@pytest.mark.parametrize("name", FAULTS)
def test_a_client_that_does_wrong_is_refused_and_others_are_answered(served, name):
    fault = FAULTS[name]
    with served.clients(seed=1) as clients:
        came = [fault.commit(served.victim, np.random.default_rng(seed)) for seed in range(TIMES.get(name, 10))]
        answers_some(clients)
    assert set(came) <= fault.allowed
    counts = clients.counts
    assert not counts.get(WRONG, 0) + counts.get(LOST, 0), (counts, clients.reasons)
    if name == "poison":
        assert all("Gather" in reason for reason in clients.reasons)
    else:
        only_answered(clients)
    assert ask(served.process.address, "v2/health/ready")[0] == 200


def test_trickling_clients_keep_nobody_waiting(served):
    fault = FAULTS["trickle"]
    with ThreadPoolExecutor(12) as pool, served.clients(seed=2) as clients:
        slow = [pool.submit(fault.commit, served.victim, np.random.default_rng(seed)) for seed in range(12)]
        answers_some(clients, 100)
        came = {each.result(WAIT_S) for each in slow}
    only_answered(clients)
    assert came <= fault.allowed


def test_an_engine_that_raises_fails_those_of_its_run_alone(served):
    """The second segment fails; samples that left before it, also of the same call's batch mates, are answered."""
    before = served.status
    random = np.random.default_rng(3)
    with served.clients(seed=3) as clients:
        assert {FAULTS["poison"].commit(served.victim, random) for _ in range(20)} == {"503"}
        answers_some(clients, 40)
    after = served.status
    assert not set(clients.counts) - {ANSWERED, REFUSED}
    refused = clients.counts.get(REFUSED, 0)
    assert after["failures"]["EngineError"] - before["failures"].get("EngineError", 0) == 20 + refused
    assert after["healthy"]
    assert after["inside_rows"] == after["queued_samples"] == 0
    with served.clients(seed=4) as clients:
        answers_some(clients, 40)
    only_answered(clients)


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_bundle_is_not_served_and_a_good_one_is(served, bundle, tmp_path, kind):
    kept, before = tmp_path / "kept.ee", served.status
    shutil.copytree(bundle.path, kept)
    with served.clients(seed=5) as clients:
        damage(bundle.path, kind, np.random.default_rng(DAMAGES.index(kind)))
        wait_for(lambda: served.status["reload_failures"] > before["reload_failures"])
        during = served.status
        answers_some(clients)
        touch_bundle(kept, number=DAMAGES.index(kind))
        replace_bundle(bundle.path, kept)
        wait_for(lambda: served.status["reloads"] == before["reloads"] + 1)
        answers_some(clients)
    only_answered(clients)
    assert during["version"] == before["version"]
    assert during["last_reload_error"]
    assert ask(served.process.address, "v2/health/ready")[0] == 200
    assert served.status["version"] == str(int(before["version"]) + 1)
    assert served.status["last_reload_error"] is None


def test_nothing_is_left_of_all_this(served):
    """Threads and connections are as many as after a first round, and memory does not grow with them."""

    def round_of_faults(seed: int) -> None:
        random = np.random.default_rng(seed)
        with served.clients(seed=seed) as clients:
            for name, fault in FAULTS.items():
                for _ in range(1 if name == "trickle" else 10):
                    fault.commit(served.victim, random)
            answers_some(clients)

    pid = served.process.pid
    round_of_faults(6)
    time.sleep(0.5)
    before = footprint(pid)
    round_of_faults(7)
    after = settled_footprint(pid, before, patience_s=WAIT_S)
    assert after.threads <= before.threads
    assert after.descriptors <= before.descriptors
    assert after.memory_bytes < before.memory_bytes + MEMORY_BYTES


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_asked_to_stop_answers_what_it_has_accepted(bundle, right, stop):
    found = serve(bundle, right)
    with found.process, found.clients(clients=4, seed=8) as clients:
        answers_some(clients)
        idle = found.victim.connect()
        clients.server_ends()
        os.kill(found.process.pid, stop)
        code = psutil.Process(found.process.pid).wait(WAIT_S)
        idle.close()
    assert code == 0
    assert not set(clients.counts) - {ANSWERED, REFUSED}, (clients.counts, clients.reasons)
