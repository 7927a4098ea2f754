"""Servers take turns with the same arrivals; the search finds what each holds, and a run confirms it."""

from dataclasses import replace

import numpy as np
import pytest
from recorded_blocks import block

from eengines.errors import EngineError
from eerun.bench.server.open_targets import Opened
from eerun.bench.server.queries import make_queries
from eerun.bench.server.recorded import Recorded
from eerun.bench.server.run import confirm, search
from eerun.bench.server.schedule import Schedule
from eerun.bench.server.settings import LoadSettings
from eerun.bench.server.summarise_load import Seen, summarise_load
from eerun.bench.server.turns_of_servers import Turns, probe_s

QUERIES = make_queries({"x": np.zeros((4, 2), np.float32)}, batch=1, outputs=(), seed=0)
SETTINGS = LoadSettings(duration_s=15.0, blocks=4, min_queries=50, warm_up_ms=0.0)


class Simulated:
    """A server that answers all queries in time up to a load, and none beyond; no time passes."""

    def __init__(self, name: str, capacity_qps: float, order: list[tuple[str, Schedule]]) -> None:
        self.name, self.capacity_qps, self.order = name, capacity_qps, order
        self.blocks: list[Recorded] = []

    def forget(self) -> None:
        self.blocks.clear()

    def drive(self, _generator: object, _queries: object, schedule: Schedule) -> Recorded:
        self.order.append((self.name, schedule))
        qps = len(schedule) * 1e9 / schedule.length_ns
        latency_ms = 5.0 if qps <= self.capacity_qps * 1.0001 else 500.0
        self.blocks.append(replace(block([latency_ms] * len(schedule)), length_ns=schedule.length_ns))
        return self.blocks[-1]

    def summarise(self, _queries: object, settings: LoadSettings, *, qps: float):
        return summarise_load(Seen(server=self.name, model="net", qps=qps), self.blocks, settings)


def simulate(settings: LoadSettings = SETTINGS, **capacities: float):
    order = list[tuple[str, Schedule]]()
    targets = {name: Simulated(name, capacity, order) for name, capacity in capacities.items()}
    turns = Turns(targets, None, QUERIES, settings)
    return Opened(targets=targets, queries=QUERIES, warnings=()), turns, order


def test_blocks_are_interleaved_and_share_their_arrivals():
    _, turns, order = simulate(chain=1e9, whole=1e9)
    shares = list[float]()
    turns.run({"chain": 100.0, "whole": 100.0}, shares.append)
    assert [name for name, _ in order] == ["chain", "whole", "whole", "chain", "whole", "chain", "chain", "whole"]
    for first, second in zip(order[::2], order[1::2], strict=True):
        assert first[1].due_ns.tolist() == second[1].due_ns.tolist()
    assert len({int(schedule.due_ns[0]) for _, schedule in order}) == 4
    assert shares == pytest.approx([step / 8 for step in range(1, 9)])


def test_the_search_finds_the_load_of_each_server():
    _, turns, order = simulate(chain=300.0, whole=40.0)
    probes = []
    loads = search(turns, probes, lambda _: None)
    assert 300 / 1.021 <= loads["chain"] <= 300.1
    assert 40 / 1.021 <= loads["whole"] <= 40.1
    assert [probe.server for probe in probes] == [name for name, _ in order]
    assert [probe.valid for probe in probes if probe.server == "whole"][:3] == [True, False, False]


def test_a_probe_that_fails_once_is_tried_again():
    _, turns, order = simulate(chain=300.0)
    target, failed = turns._targets["chain"], []

    def one_pause(generator: object, queries: object, schedule: Schedule) -> Recorded:
        if round(len(schedule) * 1e9 / schedule.length_ns) == 64 and not failed:
            failed.append(schedule)
            return block([500.0] * len(schedule))
        return Simulated.drive(target, generator, queries, schedule)

    target.drive = one_pause
    loads = search(turns, [], lambda _: None)
    assert len(failed) == 1
    assert failed[0].due_ns.tolist() != order[1][1].due_ns.tolist()
    assert loads["chain"] >= 300 / 1.021


def test_a_load_that_does_not_hold_in_the_long_run_is_lowered():
    opened, turns, _ = simulate(chain=300.0, whole=40.0)
    servers = confirm(opened, turns, {"chain": 315.0, "whole": 39.0}, SETTINGS, lambda _: None)
    assert {name: summary.constraints.valid for name, summary in servers.items()} == {"chain": True, "whole": True}
    assert servers["chain"].qps == pytest.approx(315 * 0.97**2)
    assert servers["whole"].qps == 39.0


def test_a_server_that_holds_nothing_is_named():
    _, turns, _ = simulate(chain=300.0, whole=0.0)
    with pytest.raises(EngineError, match="server 'whole': does not keep the promised latency even at"):
        search(turns, [], lambda _: None)


@pytest.mark.parametrize(
    ("duration_s", "slo_ms", "seconds"),
    [(60.0, 50.0, 4.0), (30.0, 50.0, 2.5), (8.0, 50.0, 2.5), (1.0, 50.0, 1.0), (60.0, 1000.0, 5.0), (600.0, 1.0, 5.0)],
)
def test_a_probe_sees_a_load_that_is_just_too_great(duration_s, slo_ms, seconds):
    assert probe_s(duration_s, slo_ms=slo_ms) == pytest.approx(seconds)
