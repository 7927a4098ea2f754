"""The benchmark of serving: its figures add up, and are printed beside their goals."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from folded_bundles import write_pair

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.serving_goodput import held_load, way_of
from benchmarks.serving_overhead import scheduler_figure
from benchmarks.serving_text import serving_lines
from eengines.backends.onnxruntime import OnnxRuntimeSession
from eerun.bench.server.http_json import address_of, ask
from eerun.bench.statistics import Estimate

ECHO = Path(__file__).resolve().parents[2] / "benchmarks" / "echo_app.py"
HALF = Estimate(value=0.5, low=0.4, high=0.6)


@pytest.fixture(scope="module", params=[1, 4])
def scheduler(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest):
    pair = write_pair(tmp_path_factory.mktemp("serving"))
    inputs = {"x": pair.x[:20]}
    return scheduler_figure(
        pair.unfolded,
        inputs,
        {"engine": "onnxruntime", "precision": "float32", "threads": 2},
        batch=request.param,
        blocks=2,
        seconds=0.05,
    )


def test_times_of_the_scheduler_are_parts_of_the_process_s(scheduler):
    assert 0 < scheduler["scheduler_share"].value < 1
    assert 0 < scheduler["submit_share"].value < 1
    for row in scheduler["blocks"]:
        assert 0 < row["engine"] < row["scheduler"] < row["process"]
        assert row["answered"] > 0 < row["runs"]
    assert scheduler["boundary_us_a_call"] > 0
    assert scheduler["scheduler_us_a_call"] < scheduler["process_cpu_us_a_call"]


def test_the_engine_is_as_it_was(scheduler):
    assert OnnxRuntimeSession.run.__qualname__ == "OnnxRuntimeSession.run"


def test_the_echo_sends_back_what_it_gets():
    echo = subprocess.Popen([sys.executable, str(ECHO)], stdout=subprocess.PIPE, text=True)
    try:
        assert ask(address_of(echo.stdout.readline().strip()), "any", method="POST") == (200, b"{}")
    finally:
        echo.terminate()
        assert echo.wait(20) is not None
        echo.stdout.close()


def test_the_table_has_the_goals(scheduler):
    spread = {"median": 1.2, "least": 1.1, "most": 1.3}
    runs = {"qps": 9.0, "goodput_ratio": HALF}
    runs |= {name: {"percentiles_ms": {"99": 30.0}, "server_cpu_ms": 2.0} for name in ("refill", "no_refill")}
    ways = {"chain": "onnxruntime-int8", "whole": way_of('serving net.ee as "net" (openvino bfloat16, 1 exit) on')}
    batch = {"goodput_ratio": spread, "serving_over_offline": spread, "repeats": [{"ways": ways}]}
    names = [f"{name}_over_echo_{what}" for name in ("rest", "grpc") for what in ("loop_cpu_us", "latency_us")]
    lines = serving_lines(
        {
            "goodput": {"offline": [ways, ways], "offline_speedup": spread, "batches": {"1": batch, "8": batch}},
            "overhead": {
                "scheduler": {"1": {**scheduler, "scheduler_share": HALF}},
                "transport": {"in_model_us": 5.0, **dict.fromkeys(names, HALF)},
            },
            "refill": {"held_qps": 10.0, "saturation": runs},
        }
    )
    text = "\n".join(" ".join(line.split()) for line in lines)
    assert "chain / whole, offline onnxruntime-int8 / openvino-bfloat16" in text
    assert "chain / whole, 1 a query onnxruntime-int8 / openvino-bfloat16" in text
    assert "serving/offline, 8 a query 1.200 1.100 1.300 >= 0.95" in text
    assert "scheduler, share of CPU, 1 a call 0.5000 0.4000 0.6000 <= 0.03" in text
    assert "refill on/off, goodput, saturation 0.500 0.400 0.600" in text
    assert "no refill, saturation: p99, CPU a query 30.0 ms 2.00 ms" in text


def test_the_load_that_is_held_is_between_those_that_were_tried():
    loads, kept = np.array([100.0, 200.0, 300.0]), 0.99
    one_pause = [[1.0, 0.995, 0.5], [0.2, 0.995, 0.5], [1.0, 0.995, 0.5]]
    assert held_load(loads, np.array(one_pause), kept) == pytest.approx(200 + 100 * 0.005 / 0.495)
    assert held_load(loads, np.ones((2, 3)), kept) == 300
    assert np.isnan(held_load(loads, np.zeros((2, 3)), kept))
