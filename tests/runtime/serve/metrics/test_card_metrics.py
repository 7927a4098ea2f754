"""What a card tells: the real pynvml on a stub of NVIDIA's library, and a GPU of the emulated CUDA driver."""

import os

import pytest
from emulated_cuda import SOURCE, run_emulated
from grpc_on_a_thread import grpc_on_thread
from prometheus_client.parser import text_string_to_metric_families
from stub_nvml import ADDRESS, stub_folder

from eerun.serve.metrics.card import CARD_FAMILIES, runs_on_card
from eerun.serve.settings import ServeSettings

PROGRAM = """
from eerun.serve.metrics.card import CardCollector
from eerun.serve.metrics.text import to_text
print(to_text(CardCollector(0).collect()), end="")
"""
BEFORE, ENTRY = "API cuDeviceGetAttribute(", "CALL(cuGraphAddChildGraphNode)"


def page_of_a_card_at(address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The text, from a driver whose GPU is plugged in there."""
    monkeypatch.setenv(
        "LD_LIBRARY_PATH", os.pathsep.join(filter(None, [stub_folder(), os.environ.get("LD_LIBRARY_PATH")]))
    )
    source = SOURCE.read_text()
    body = f'{{ ENTER(0); (void)device; snprintf(id, size, "{address}"); return OK; }}'
    source = source.replace(BEFORE, f"API cuDeviceGetPCIBusId(char *id, int size, int device) {body}\n{BEFORE}")
    source = source.replace(ENTRY, f"CALL(cuDeviceGetPCIBusId), {ENTRY}")
    done = run_emulated(PROGRAM, source=source)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_card_tells_its_power_energy_temperature_and_clocks(monkeypatch):
    text = page_of_a_card_at(ADDRESS, monkeypatch)
    samples = {s.name: s for family in text_string_to_metric_families(text) for s in family.samples}
    assert {name.removesuffix("_total") for name in samples} == {family.name for family in CARD_FAMILIES}
    assert {sample.labels["pci_bus_id"] for sample in samples.values()} == {ADDRESS}
    assert samples["ee_gpu_sm_clock_mhz"].value == 1350
    assert samples["ee_gpu_memory_clock_mhz"].value == 5000
    assert samples["nv_gpu_power_usage"].value > 0
    assert "# TYPE nv_energy_consumption counter" in text


def test_a_card_that_cannot_be_asked_is_left_out(monkeypatch):
    assert page_of_a_card_at("0000:01:00.0", monkeypatch) == ""


def test_models_on_the_host_ask_no_card(tiny_bundle):
    settings = ServeSettings(bundles=(("tiny", tiny_bundle.path),), engine="onnxruntime", threads=2, grpc_port=0)
    with grpc_on_thread(settings) as server:
        assert not runs_on_card(server.repository)
