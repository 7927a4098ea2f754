"""From what was written down to figures: LoadGen's definitions."""

from dataclasses import replace

import numpy as np
import pytest
from recorded_blocks import block

from eerun.bench.server.load_result import LoadSummary
from eerun.bench.server.load_warnings import load_warnings
from eerun.bench.server.recorded import LOST, UNANSWERED, Recorded
from eerun.bench.server.run import goodput_ratio
from eerun.bench.server.schedule import make_schedule
from eerun.bench.server.settings import LoadSettings
from eerun.bench.server.summarise_load import Seen, share_within, summarise_load


def summarise(*blocks: Recorded, **settings: object) -> LoadSummary:
    chosen = LoadSettings(**{"qps": 100.0, "slo_ms": 50.0, "duration_s": 1.0, **settings})
    seen = Seen(server="a server", model="net", qps=100.0, server_cpu_s=0.2)
    return summarise_load(seen, blocks, chosen)


def test_a_run_that_keeps_its_promise_is_valid():
    found = summarise(block([10.0] * 99 + [60.0]))
    assert found.constraints.valid
    assert found.constraints.reasons == ()
    assert (found.queries, found.answered, found.within_slo) == (100, 100, 99)
    assert found.goodput_qps == pytest.approx(99)
    assert found.scheduled_qps == pytest.approx(100)
    assert found.completed_qps == pytest.approx(99)
    assert found.latency.percentiles_ms["99"] == pytest.approx(10)
    assert found.latency.percentiles_ms["99.9"] == pytest.approx(60)
    assert found.latency.max_ms == pytest.approx(60)
    assert found.server_cpu_ms == pytest.approx(2)
    assert found.generator.cpu_us == pytest.approx(50)


def test_one_query_more_makes_it_invalid():
    found = summarise(block([10.0] * 98 + [60.0, 60.0]))
    assert not found.constraints.valid
    assert (found.constraints.performance, found.constraints.min_duration) == (False, True)
    assert "percentile 99 of latency is 60 ms, expected at most 50 ms (98.00% of" in found.constraints.reasons[0]


def test_a_query_without_an_answer_is_slower_than_all_others():
    found = summarise(block([10.0] * 100, status=[200] * 95 + [503, 504, 500, LOST, UNANSWERED]))
    assert found.refused == {"HTTP 503": 1, "HTTP 504": 1}
    assert found.failed == {"HTTP 500": 1, "connection lost": 1, "no answer": 1}
    assert found.latency.percentiles_ms["95"] == pytest.approx(10)
    assert found.latency.percentiles_ms["97"] is None
    assert found.latency.max_ms == pytest.approx(10)
    assert "is not there" in found.constraints.reasons[0]
    assert load_warnings({"chain": found}) == ("chain: queries failed: 1 HTTP 500, 1 connection lost, 1 no answer.",)


def test_a_fast_refusal_is_no_goodput():
    refused = block([1.0] * 100, status=[503] * 100)
    found = summarise(refused)
    assert found.goodput_qps == found.completed_qps == 0
    assert found.latency.min_ms is None
    assert share_within(refused, 50_000_000) == 0


def test_least_duration_and_queries():
    found = summarise(block([10.0] * 100), duration_s=2.0, min_queries=101)
    assert found.constraints.performance
    assert not found.constraints.valid
    assert [reason.split(",")[0] for reason in found.constraints.reasons] == [
        "the load lasted 1 s",
        "there were 100 queries",
    ]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("qps", [15.0, 25.0, 400.0])
def test_goodput_completed_and_scheduled_are_divided_by_one_time(qps: float, late: bool):
    """Arrivals by chance last longer or shorter than the load that was asked for."""
    random, parts = np.random.default_rng(3), []
    for number in range(4):
        plan = make_schedule(qps, queries=12, encoded=1, warm_up_s=0.1, seed=0, block=number)
        latency_ms = random.uniform(1, 500, 12) if late else np.full(12, 30.0)
        due = plan.due_ns[plan.warm :]
        made = block([30.0] * 12, status=random.choice([200, 503], 12, p=[0.8, 0.2]).tolist())
        done = due + (latency_ms * 1e6).astype(np.int64)
        parts.append(
            replace(made, due_ns=due, sent_ns=due, done_ns=done, start_ns=plan.start_ns, length_ns=plan.length_ns)
        )
    found = summarise(*parts)
    assert found.scheduled_qps == pytest.approx(qps, rel=1e-6)
    assert 0 < found.goodput_qps <= found.completed_qps <= found.scheduled_qps
    if not late:
        assert found.goodput_qps == found.completed_qps < found.scheduled_qps


def test_what_piled_up_is_not_completed():
    """A server that takes 20 ms for what comes every 10 ms answers all of it in the end."""
    found = summarise(block([20.0 + 10 * query for query in range(200)]))
    assert found.answered == 200
    assert found.scheduled_qps == pytest.approx(100)
    assert found.completed_qps == pytest.approx(102 / 2)
    assert found.goodput_qps == pytest.approx(4 / 2)


def test_blocks_add_up():
    found = summarise(block([10.0] * 50), block([10.0] * 40 + [99.0] * 10), duration_s=1.0)
    assert [part.within_slo for part in found.blocks] == [50, 40]
    assert [part.goodput_qps for part in found.blocks] == pytest.approx([100, 80])
    assert found.goodput_qps == pytest.approx(90)
    assert found.constraints.min_duration


def test_the_ratio_is_that_of_goodputs_with_its_spread():
    chain = summarise(block([10.0] * 100), block([10.0] * 100))
    whole = summarise(block([10.0] * 50 + [60.0] * 50), block([10.0] * 40 + [60.0] * 60))
    ratio = goodput_ratio({"chain": chain, "whole": whole}, seed=0)
    assert ratio.value == pytest.approx(200 / 90)
    assert ratio.low == pytest.approx(2.0)
    assert ratio.high == pytest.approx(2.5)
    assert goodput_ratio({"server": chain}, seed=0) is None
    assert goodput_ratio({"chain": chain, "whole": summarise(block([99.0] * 100))}, seed=0) is None


def test_a_late_generator_is_told():
    found = summarise(block([10.0] * 100, late_ms=4.0))
    assert found.generator.late == 100
    assert found.generator.late_ms["50"] == pytest.approx(4)
    assert "100 of 100 queries were sent more than 1 ms late, the latest 4 ms" in load_warnings({"chain": found})[0]
    assert load_warnings({"chain": summarise(block([10.0] * 100))}) == ()
