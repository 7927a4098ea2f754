"""The load generator: queries are sent on schedule, and what comes back is kept, whatever the server does."""

import asyncio
import socket

import numpy as np
import pytest
from small_oip_server import Behaviour, small_server

from eengines.errors import EngineError
from eerun.bench.server.connection_pool import Address
from eerun.bench.server.load_generator import LoadGenerator
from eerun.bench.server.open_loop import Load, drive
from eerun.bench.server.queries import make_queries
from eerun.bench.server.recorded import LOST, UNANSWERED, Recorded
from eerun.bench.server.schedule import Schedule, make_schedule

QUERIES = make_queries({"x": np.arange(240, dtype=np.float32).reshape(10, 24)}, batch=1, outputs=(), seed=0)


def schedule(queries: int, *, qps: float = 400.0, warm_up_s: float = 0.0) -> Schedule:
    return make_schedule(qps, queries=queries, encoded=len(QUERIES.bodies), warm_up_s=warm_up_s, seed=1, block=0)


def run(address: Address, plan: Schedule, *, connections: int = 64, patience_s: float = 5.0) -> Recorded:
    load = Load(
        address=address,
        head=QUERIES.head(address, "net"),
        queries=QUERIES.bodies,
        schedule=plan,
        connections=connections,
        patience_s=patience_s,
    )
    return asyncio.run(drive(load))


def test_every_query_is_sent_once_and_its_answer_kept():
    plan = schedule(50, warm_up_s=0.02)
    with small_server() as server:
        recorded = run(server.address, plan)
    assert plan.warm == 8
    assert len(server.bodies) == len(plan) == recorded.all_queries == 58
    assert sorted(server.bodies) == sorted(QUERIES.bodies[query] for query in plan.query)
    assert recorded.status.tolist() == [200] * 50
    assert all(b'"label"' in body for body in recorded.bodies)
    assert recorded.due_ns.tolist() == plan.due_ns[8:].tolist()
    assert (recorded.late_ns >= 0).all()
    assert (recorded.done_ns >= recorded.sent_ns).all()
    assert recorded.cpu_ns > 0


def test_arrivals_do_not_wait_for_answers():
    """An open loop: the server answers nobody before all have asked."""
    with small_server(Behaviour(together=100)) as server:
        recorded = run(server.address, schedule(100, qps=1000.0), connections=100, patience_s=20.0)
    assert recorded.status.tolist() == [200] * 100
    assert server.connections == recorded.connections == 100
    assert recorded.opened == 100 - 16
    assert recorded.waited == 0


def test_latency_counts_from_the_schedule_when_connections_run_out():
    with small_server(Behaviour(delay_s=lambda _: 0.1)) as server:
        recorded = run(server.address, schedule(6, qps=1e6), connections=2)
    assert server.connections == recorded.connections == 2
    assert recorded.waited == 4
    assert recorded.status.tolist() == [200] * 6
    assert recorded.latency_ns.max() >= 0.29e9
    assert (np.sort(recorded.late_ns)[2:] > 0.09e9).all(), "those that waited are late, whatever the others are"


def test_refusals_and_lost_connections_are_told_apart():
    def status(number: int) -> int:
        return {0: 503, 1: 0, 2: 504, 3: 500}.get(number % 5, 200)

    with small_server(Behaviour(status=status)) as server:
        recorded = run(server.address, schedule(50))
    kinds, counts = np.unique(recorded.status, return_counts=True)
    assert dict(zip(kinds.tolist(), counts.tolist(), strict=True)) == {LOST: 10, 200: 10, 500: 10, 503: 10, 504: 10}
    assert [bool(body) for body in recorded.bodies] == (recorded.status == 200).tolist()


def test_a_server_that_closes_each_connection_gets_new_ones():
    with small_server(Behaviour(close=True)) as server:
        recorded = run(server.address, schedule(40), connections=4)
    assert recorded.status.tolist() == [200] * 40
    assert server.connections >= 40


def test_queries_that_are_never_answered_are_given_up():
    with small_server(Behaviour(status=lambda number: None if number % 2 else 200)) as server:
        recorded = run(server.address, schedule(20), patience_s=1.0)
    assert (recorded.status == UNANSWERED).sum() == 10
    assert (recorded.status == 200).sum() == 10


def test_nobody_listens():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = Address(host="127.0.0.1", port=closed.getsockname()[1])
        recorded = run(address, schedule(10))
    assert recorded.status.tolist() == [LOST] * 10


def test_the_child_process_runs_blocks_and_ends():
    with small_server() as server, LoadGenerator(QUERIES.bodies, connections=8, patience_s=5.0) as generator:
        head = QUERIES.head(server.address, "net")
        first = generator.run(server.address, head, schedule(5))
        second = generator.run(server.address, head, schedule(7))
        process = generator._process
    assert (first.status.tolist(), second.status.tolist()) == ([200] * 5, [200] * 7)
    assert len(server.bodies) == 12
    assert not process.is_alive()
    assert process.exitcode == 0


def test_a_child_that_dies_is_named():
    with LoadGenerator(QUERIES.bodies, connections=8, patience_s=5.0) as generator:
        generator._process.kill()
        with pytest.raises(EngineError, match="load generator: its process ended with -9"):
            generator.run(Address(host="127.0.0.1", port=9), b"", schedule(5))
