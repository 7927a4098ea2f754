"""A bench run on a CPU device: what is found out about a device, with and without a card that can be asked."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from stub_nvml import ADDRESS, run_on_stub

from eengines.devices.cpu import CpuDevice
from eerun.bench import BenchResult, BenchSettings, json_report, run_bench, text_report

PROGRAM = f"""
import sys
from pathlib import Path
from eengines.devices.cpu import CpuDevice
from eengines.devices.nvml import CardMonitor
from eerun.bench import BenchSettings, json_report, run_bench, text_report
from eerun.bench.gpu_card import BenchCard
device = CpuDevice(seed=1)
settings = BenchSettings(bundle=Path(sys.argv[1]), batch=8, duration_s=0.5, warm_up_ms=0.0, engine="onnxruntime")
result = run_bench(settings, lambda _: None, device, BenchCard(device, CardMonitor("{ADDRESS}")))
Path(sys.argv[2]).write_bytes(json_report(result))
print(text_report(result))
"""


def settings(bundle: Path, **changes: object) -> BenchSettings:
    common = BenchSettings(bundle=bundle, batch=8, duration_s=0.1, warm_up_ms=0.0, engine="onnxruntime")
    return replace(common, **changes)


@pytest.fixture(scope="module")
def on_device(tiny_bundle) -> BenchResult:
    return run_bench(settings(tiny_bundle.path), lambda _: None, CpuDevice(seed=1))


@pytest.fixture(scope="module")
def with_card(tiny_bundle, tmp_path_factory) -> tuple[dict, str]:
    """Record and text of a run that asks a stub of NVML."""
    file = tmp_path_factory.mktemp("card") / "bench.json"
    text = run_on_stub(PROGRAM, str(tiny_bundle.path), str(file), STUB_REASONS=str(0x4))
    return json.loads(file.read_bytes()), text


def test_a_run_on_the_host_knows_no_device(tiny_bundle):
    result = run_bench(settings(tiny_bundle.path), lambda _: None)
    assert result.gpu is None
    assert result.environment.driver is None
    assert "=== GPU ===" not in text_report(result)
    assert json.loads(json_report(result))["gpu"] is None


def test_answers_on_a_device_are_those_on_the_host(on_device, tiny_bundle):
    host = run_bench(settings(tiny_bundle.path), lambda _: None)
    assert on_device.quality == host.quality
    assert [exit_.share for exit_ in on_device.exits] == [exit_.share for exit_ in host.exits]


def test_the_batch_was_taken_apart(on_device):
    gpu = on_device.gpu
    assert (gpu.card, gpu.compute_capability, gpu.driver, gpu.rows) == ("CPU", None, "none", 8)
    assert [step.survivors for step in gpu.exits_off.steps] == [8, 0]
    assert gpu.whole.samples == gpu.chain.samples == 8
    assert gpu.whole_name in on_device.baselines
    assert (gpu.device_exits, gpu.device_boundary_us) == (False, None)
    assert on_device.environment.driver == "none"


def test_without_a_card_the_reason_is_there(on_device):
    gpu = on_device.gpu
    assert (gpu.card_state, gpu.energy) == (None, None)
    assert gpu.no_card == gpu.no_energy == "CPU is no NVIDIA card"
    assert "\nClocks, temperature and energy are not known: CPU is no NVIDIA card" in text_report(on_device)


@pytest.mark.parametrize(("batch", "in_flight"), [(8, 1), (9, 2), (40, 3)])
def test_only_batches_beyond_the_largest_bucket_are_in_flight_together(tiny_bundle, batch, in_flight):
    changed = settings(tiny_bundle.path, batch=batch, duration_s=0.0, in_flight=3)
    result = run_bench(changed, lambda _: None, CpuDevice(seed=1))
    assert (result.gpu.in_flight, result.gpu.rows) == (in_flight, 8)
    words = "one batch" if in_flight == 1 else f"{in_flight} batches"
    assert f"one CUDA graph, copies in and out included, {words} in flight as in the chain" in text_report(result)


def test_the_device_decides(tiny_bundle):
    changed = settings(tiny_bundle.path, device_exits=True)
    result = run_bench(changed, lambda _: None, CpuDevice(seed=1))
    assert result.gpu.device_exits
    assert isinstance(result.gpu.device_boundary_us, float)
    assert "\nBoundary when the GPU decides (--device-exits): " in text_report(result)


def test_costs_of_another_device_are_told(on_device):
    assert any("this run uses onnxruntime on CPU." in warning for warning in on_device.warnings)


def test_the_card_was_watched(with_card):
    record, _ = with_card
    state = record["gpu"]["card_state"]
    assert record["format"] == "eerun.bench/2.3"
    assert record["gpu"]["no_card"] is None
    assert state["sm_mhz"] == {"seen": {"median": 1350.0, "least": 1350.0, "most": 1350.0}, "highest": 1590}
    assert state["memory_mhz"]["highest"] == 5001
    assert state["slowed_by"] == ["power cap"]
    assert state["temperature_c"]["median"] == 61.0
    assert state["readings"] >= 2


def test_energy_per_image_is_power_by_throughput(with_card):
    energy = with_card[0]["gpu"]["energy"]
    assert with_card[0]["gpu"]["no_energy"] is None
    assert energy["laps"] == 5
    assert energy["lap_s"] == pytest.approx(0.1)
    assert energy["from_counter"] is True
    for name in ("chain", "whole"):
        assert energy[name]["images"] % 8 == 0
        assert 0 < energy[name]["mj_per_image"]["least"] <= energy[name]["mj_per_image"]["most"]
    ratio = energy["whole"]["mj_per_image"]["least"] / energy["chain"]["mj_per_image"]["most"]
    assert ratio <= energy["ratio"]["median"]


def test_the_block_of_the_card(with_card):
    text = with_card[1]
    assert (
        "\nClocks: SM 1350 MHz (1350-1350) of 1590, memory 5000 MHz (5000-5000) of 5001; held back by: power cap"
        in text
    )
    assert "\nTemperature: 61 C (61-61); power 50.0 W (50.0-50.0), " in text
    assert "\nEnergy per image: chain " in text
    assert "5 laps of 0.10 s each in turns, by the board's counter, idle power included" in text
    assert "\n* The GPU's clocks were held back during the run: power cap." in text


def test_a_card_without_a_counter(tiny_bundle, tmp_path: Path):
    text = run_on_stub(PROGRAM, str(tiny_bundle.path), str(tmp_path / "b.json"), STUB_FAIL="energy", STUB_CODE="3")
    energy = json.loads((tmp_path / "b.json").read_bytes())["gpu"]["energy"]
    assert energy["from_counter"] is False
    assert energy["chain"]["watts"]["median"] == pytest.approx(50.0)
    assert "\n* This card has no energy counter: energy is integrated from samples of its power" in text
    assert "\n* The card's power reading is coarse: it changed 0 times in a lap of 0.10 s" in text


def test_a_card_that_tells_neither_energy_nor_power(tiny_bundle, tmp_path: Path):
    program = PROGRAM.replace("settings =", "import os\nos.environ['STUB_FAIL'] = 'power'\nsettings =").replace(
        'BenchCard(device, CardMonitor("', 'BenchCard(device, monitor_without_energy("'
    )
    program = (
        "def monitor_without_energy(address):\n"
        "    monitor = CardMonitor(address)\n    monitor.has_counter = False\n    return monitor\n" + program
    )
    text = run_on_stub(program, str(tiny_bundle.path), str(tmp_path / "b.json"), STUB_CODE="3")
    gpu = json.loads((tmp_path / "b.json").read_bytes())["gpu"]
    assert gpu["energy"] is None
    assert gpu["card_state"]["power_w"] is None
    assert f"\nEnergy is not known: {gpu['no_energy']}" in text
    assert "; power not known, " in text
