"""What is read from a metrics page."""

import pytest

from eerun.bench.server import server_counts
from eerun.bench.server.connection_pool import Address
from eerun.bench.server.server_counts import read_counts

ADDRESS = Address(host="127.0.0.1", port=1)
PAGE = """# HELP ee_exit_count Samples.
# TYPE ee_exit_count counter
ee_exit_count{{model="net",version="1",exit="early"}} {early}
ee_exit_count{{model="net",version="1",exit="final"}} 10.0
ee_exit_count{{model="other",version="1",exit="early"}} 1e+06
nv_inference_request_success{{model="net",version="1"}} 20
nv_inference_queue_duration_us{{model="net",version="1"}} 4000
nv_inference_compute_infer_duration_us{{model="net",version="1"}} 60000
ee_segment_exec_count{{model="net",version="1",segment="0"}} {runs}
ee_segment_batch_size_bucket{{model="net",version="1",segment="0",le="1.0"}} 4
ee_segment_batch_size_bucket{{model="net",version="1",segment="0",le="2.0"}} 4
ee_segment_batch_size_bucket{{model="net",version="1",segment="0",le="4.0"}} {runs}
ee_segment_batch_size_bucket{{model="net",version="1",segment="0",le="+Inf"}} {runs}
ee_segment_batch_size_sum{{model="net",version="1",segment="0"}} 22
ee_segment_alive_count{{model="net",version="1",segment="0"}} 11
ee_segment_compute_duration_us{{model="net",version="1",segment="0"}} 22000
ee_boundary_duration_us{{model="net",version="1",segment="0"}} 110
ee_segment_exec_count{{model="net",version="1",segment="1"}} 0
"""


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch):
    """Pages that the server gives, one after the other."""
    given: list[tuple[int, bytes]] = []
    monkeypatch.setattr(server_counts, "ask", lambda *_: given.pop(0))
    return given


def page(early: float, runs: float) -> tuple[int, bytes]:
    return 200, PAGE.format(early=early, runs=runs).encode()


def test_figures_of_one_model(pages):
    pages.append(page(30, 11))
    counts = read_counts(ADDRESS, "net")
    assert counts.exits == {"early": 0.75, "final": 0.25}
    assert (counts.queue_ms, counts.compute_ms) == (0.2, 3.0)
    first, second = counts.segments
    assert (first.segment, first.runs, first.rows, first.alive) == (0, 11, 2.0, 1.0)
    assert (first.run_ms, first.boundary_us) == (2.0, 10.0)
    assert first.batch_sizes == {"1.0": 4, "4.0": 7}
    assert (second.runs, second.rows, second.batch_sizes) == (0, None, {})


def test_a_difference_is_what_happened_between(pages):
    pages += [page(30, 11), page(90, 15)]
    before, after = (read_counts(ADDRESS, "net") for _ in range(2))
    between = after - before
    assert between.exits == {"early": 1.0, "final": 0.0}
    assert between.segments[0].runs == 4
    assert between.segments[0].batch_sizes == {"4.0": 4}
    assert between.queue_ms is None
    assert (before + between).segments[0] == after.segments[0]


def test_a_server_without_such_figures(pages):
    pages += [(404, b"{}"), (200, b'nv_inference_count{model="net",version="1"} 3\n'), page(1, 1)]
    assert [read_counts(ADDRESS, name) for name in ("net", "net", "unknown")] == [None] * 3
