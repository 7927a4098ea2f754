"""What `eerun bench --scenario server` prints: LoadGen's lines, perf_analyzer's block, exits, segments, verdict."""

from dataclasses import replace

import msgspec
import pytest
from recorded_blocks import block

from eerun.bench.environment import environment
from eerun.bench.server.expected import Checked
from eerun.bench.server.load_json import load_json
from eerun.bench.server.load_result import LoadResult, LoadSummary
from eerun.bench.server.load_text import load_text
from eerun.bench.server.run import goodput_ratio
from eerun.bench.server.server_counts import SegmentCounts
from eerun.bench.server.settings import LoadSettings
from eerun.bench.server.summarise_load import Seen, summarise_load

SETTINGS = LoadSettings(qps=100.0, duration_s=1.0, batch=2)
SEGMENT = SegmentCounts(
    segment=0, runs=40, rows=5.0, alive=5.0, run_ms=2.5, boundary_us=31.0, batch_sizes={"4.0": 10, "8.0": 30}
)


def summary(latencies: list[float]) -> LoadSummary:
    checked = Checked(samples=190, other_label=0, other_exit=1, open=10)
    seen = Seen(server="serving net.ee", model="net", qps=100.0, server_cpu_s=0.3, checked=checked)
    found = summarise_load(seen, [block(latencies[:50]), block(latencies[50:])], SETTINGS)
    return replace(found, exits={"early": 0.75, "final": 0.25}, segments=(SEGMENT,), queue_ms=1.5, compute_ms=6.0)


@pytest.fixture(scope="module")
def result() -> LoadResult:
    servers = {"chain": summary([10.0] * 100), "whole": summary([10.0] * 90 + [60.0] * 10)}
    return LoadResult(
        format="eerun.bench.server/1.0",
        environment=environment(),
        settings=SETTINGS,
        servers=servers,
        goodput_ratio=goodput_ratio(servers, seed=0),
        warnings=("Only an example.",),
    )


def test_loadgen_s_summary(result):
    text = load_text(result)
    assert text.startswith("=== MLPerf results summary: chain ===\nSUT name : serving net.ee\nScenario : Server\n")
    for line in (
        "Mode     : PerformanceOnly",
        "Scheduled samples per second : 200.00",
        "Result is : VALID",
        "  Performance constraints satisfied : Yes",
        "  Min duration satisfied : Yes",
        "  Min queries satisfied : Yes",
        "Min latency (ms)             : 10.000",
        "50.00 percentile latency (ms) : 10.000",
        "99.90 percentile latency (ms) : 60.000",
        "99.00 percentile latency (ms) : 10.000",
        "Goodput : 90.00 queries/s within 50 ms, 180.00 samples/s",
        "Queries : 100, 100 answered, 90 in time",
        "Result is : INVALID",
        "  Performance constraints satisfied : NO",
        "Server : 3.000 ms CPU a query",
    ):
        assert f"\n{line}\n" in text, line
    assert "  * percentile 99 of latency is 60 ms, expected at most 50 ms" in text
    assert "Answers : 190 samples compared with Model.infer, 0 with another label, 1 at another exit" in text


def test_perf_analyzer_s_block(result):
    text = load_text(result)
    assert (
        "Request Rate: 100 inference requests per seconds\n  Client:\n    Request count: 100\n    Throughput: " in text
    )
    assert "    Avg latency: 10000 usec\n    p50 latency: 10000 usec\n" in text
    assert (
        "    p99 latency: 60000 usec\n  Server:\n    Execution count: 40\n    queue 1500 usec + compute 6000 usec"
        in text
    )


def test_exits_segments_and_verdict(result):
    text = load_text(result)
    assert "=== Exit summary ===\nexit    share\nearly  75.0 %\nfinal  25.0 %" in text
    assert "0          40   5.00   5.00   2.500         31.0                     4:10 8:30" in text
    verdict = text.split("=== Verdict ===\n")[1].splitlines()
    assert verdict[0] == "chain: goodput 100.00 queries/s within 50 ms at 100.00 scheduled, VALID"
    assert verdict[2].startswith(
        "Goodput of the chain is 1.111x that of the whole network in the same server (1.000 to"
    )
    assert verdict[-1] == "* Only an example."


def test_the_search_says_how_fine_it_is(result):
    searched = replace(result, settings=replace(SETTINGS, qps=None))
    assert "chain: the greatest load that held 100.00 queries/s" in load_text(searched)
    assert "The search itself resolves 2 %" in load_text(searched)


def test_a_server_that_tells_nothing(result):
    alone = {"server": replace(result.servers["chain"], exits={}, segments=(), queue_ms=None, server_cpu_ms=None)}
    text = load_text(replace(result, servers=alone, goodput_ratio=None))
    assert "Exit summary" not in text
    assert "  Server:" not in text
    assert "Goodput of the chain" not in text


def test_json_holds_everything(result):
    record = msgspec.json.decode(load_json(result))
    assert record["format"] == "eerun.bench.server/1.0"
    assert record["servers"]["whole"]["within_slo"] == 90
    assert record["servers"]["chain"]["segments"][0]["batch_sizes"] == {"4.0": 10, "8.0": 30}
    assert record["settings"]["qps"] == 100.0
