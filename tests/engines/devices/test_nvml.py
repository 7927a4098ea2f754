"""A card's clocks, reasons, power and energy: the real pynvml on a stub of NVIDIA's library, and without one."""

import json
import os
import subprocess
import sys

import pytest
from emulated_cuda import SOURCE, run_emulated
from stub_nvml import ADDRESS, run_on_stub, stub_folder

from eengines.devices.cpu import CpuDevice
from eengines.devices.mean_power import MeanPower, mean_power
from eengines.devices.nvml import CardMonitor, PowerReading, open_monitor, probe_nvml
from eengines.devices.nvml_reasons import reasons_in_words
from eengines.devices.watch import Watch
from eengines.errors import EngineError

MONITOR = f"""
import dataclasses, json
from eengines.devices.nvml import CardMonitor, probe_nvml
from eengines.errors import EngineError
def show():
    m = CardMonitor("{ADDRESS}")
    r = m.reading()
    print(json.dumps(dataclasses.asdict(m.state()) | dict(
        max_sm_mhz=m.max_sm_mhz, max_memory_mhz=m.max_memory_mhz, has_counter=m.has_counter,
        energy=r.energy_mj is not None, reading_w=r.power_w)))
"""

NEEDS_NO_LIBRARY = """
import ctypes
try:
    ctypes.CDLL("libnvidia-ml.so.1")
    print("there")
except OSError:
    print("missing")
"""

BEFORE, ENTRY = "API cuDeviceGetAttribute(", "CALL(cuGraphAddChildGraphNode)"


def driver_of_a_card_at(address: str) -> str:
    """Source of the emulated CUDA driver, with a GPU that is plugged in somewhere."""
    body = '{ ENTER(0); (void)device; snprintf(id, size, "ADDRESS"); return OK; }'.replace("ADDRESS", address)
    source = SOURCE.read_text()
    assert source.count(BEFORE) == source.count(ENTRY) == 1
    source = source.replace(BEFORE, f"API cuDeviceGetPCIBusId(char *id, int size, int device) {body}\n{BEFORE}")
    return source.replace(ENTRY, f"CALL(cuDeviceGetPCIBusId), {ENTRY}")


def shown(program: str = "show()", **settings: str) -> dict[str, object]:
    return json.loads(run_on_stub(MONITOR + program, **settings))


def test_a_card_tells_everything():
    assert shown() == {
        "sm_mhz": 1350,
        "memory_mhz": 5000,
        "idle": False,
        "slowed_by": [],
        "temperature_c": 61,
        "power_w": 50.0,
        "max_sm_mhz": 1590,
        "max_memory_mhz": 5001,
        "has_counter": True,
        "energy": True,
        "reading_w": None,
    }


@pytest.mark.parametrize("old", [False, True])
def test_what_holds_the_clocks_back_is_in_words(old):
    said = json.loads(run_on_stub(MONITOR + "show()", old=old, STUB_REASONS=str(0x1 | 0x4 | 0x40)))
    assert said["idle"] is True
    assert said["slowed_by"] == ["power cap", "too hot (hardware)"]


def test_reasons_without_a_name_are_numbers():
    assert reasons_in_words(0x1) == ()
    assert reasons_in_words(0x8 | 0x1000) == ("hardware slow-down", "reason 0x1000")


def test_a_card_without_a_counter_tells_its_power():
    said = shown(STUB_FAIL="energy", STUB_CODE="3")
    assert (said["has_counter"], said["energy"], said["reading_w"]) == (False, False, 50.0)


@pytest.mark.parametrize(
    ("call", "missing"), [("clock", "sm_mhz"), ("temperature", "temperature_c"), ("power", "power_w")]
)
def test_what_a_card_does_not_tell_is_none(call, missing):
    said = shown(STUB_FAIL=call, STUB_CODE="3")
    assert said[missing] is None
    assert said["max_sm_mhz"] == 1590


def test_a_lost_card_is_an_error():
    program = "try:\n    show()\nexcept EngineError as error:\n    print(json.dumps({'error': str(error)}))"
    assert shown(program, STUB_FAIL="clock", STUB_CODE="15") == {
        "error": "NVML: nvmlDeviceGetClockInfo: GPU is lost. Check that `nvidia-smi` works."
    }


def test_an_address_without_a_card_is_refused():
    program = "try:\n    CardMonitor('0000:01:00.0')\nexcept EngineError as error:\n    print(json.dumps(str(error)))"
    assert json.loads(run_on_stub(MONITOR + program)).startswith("NVML: no card at 0000:01:00.0: Not Found.")


def test_the_library_is_shut_down_with_the_last_monitor():
    program = (
        "import ctypes, gc\n"
        f"m = CardMonitor('{ADDRESS}')\n"
        "try:\n    CardMonitor('0000:01:00.0')\nexcept EngineError:\n    pass\n"
        "gc.collect()\n"
        "started = ctypes.CDLL('libnvidia-ml.so.1').nvml_stub_started\n"
        "opened = started()\n"
        "probe = probe_nvml()\n"
        "del m\n"
        "gc.collect()\n"
        "print(json.dumps([opened, started(), probe.ok, probe.reason]))"
    )
    assert json.loads(run_on_stub(MONITOR + program)) == [1, 0, True, "NVML of driver 580.65.06, 1 cards"]


def test_the_card_of_a_cuda_device_is_found_by_its_bus(monkeypatch: pytest.MonkeyPatch):
    path = os.pathsep.join(filter(None, [stub_folder(), os.environ.get("LD_LIBRARY_PATH")]))
    monkeypatch.setenv("LD_LIBRARY_PATH", path)
    program = (
        "from eengines.devices.cuda import open_cuda_device\n"
        "from eengines.devices.nvml import open_monitor\n"
        "print(open_monitor(open_cuda_device()).max_sm_mhz)"
    )
    done = run_emulated(program, source=driver_of_a_card_at(ADDRESS))
    assert done.stdout == "1590\n", done.stderr
    done = run_emulated(program, source=driver_of_a_card_at("0000:01:00.0"))
    assert "NVML: no card at 0000:01:00.0: Not Found" in done.stderr


def test_without_the_drivers_library():
    if subprocess.check_output([sys.executable, "-c", NEEDS_NO_LIBRARY], text=True) == "there\n":
        pytest.skip("this machine has NVIDIA's driver")
    pytest.importorskip("pynvml", reason="needs nvidia-ml-py")
    assert not probe_nvml().ok
    assert "libnvidia-ml.so.1 cannot be used" in probe_nvml().reason
    assert "NVIDIA_DRIVER_CAPABILITIES" in probe_nvml().reason
    with pytest.raises(EngineError, match=r"libnvidia-ml\.so\.1 cannot be used"):
        CardMonitor(ADDRESS)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert not probe_nvml().ok
    assert probe_nvml().reason == "nvidia-ml-py is not installed: Run: pip install 'eecompile[cuda]'"


def test_other_devices_have_no_monitor():
    with pytest.raises(EngineError, match="CPU is no NVIDIA card"):
        open_monitor(CpuDevice())


def counted(*pairs: tuple[int, int]) -> list[PowerReading]:
    return [PowerReading(at_ns=ms * 1_000_000, energy_mj=energy, power_w=None) for ms, energy in pairs]


def powers(*pairs: tuple[int, float | None]) -> list[PowerReading]:
    return [PowerReading(at_ns=ms * 1_000_000, energy_mj=None, power_w=power) for ms, power in pairs]


def test_the_mean_of_a_counter_is_from_update_to_update():
    readings = counted((0, 100), (10, 100), (20, 700), (30, 700), (40, 1700), (70, 3200), (90, 3200))
    assert mean_power(readings) == MeanPower(watts=pytest.approx((3200 - 700) / 1000 / 0.05), updates=3)


def test_a_counter_that_moved_once_says_nothing():
    assert mean_power(counted((0, 100), (10, 600), (20, 600))) is None


def test_the_mean_of_power_is_its_integral():
    found = mean_power(powers((0, 10.0), (10, 30.0), (40, 30.0)))
    assert found == MeanPower(watts=pytest.approx((20 * 0.01 + 30 * 0.03) / 0.04), updates=1)
    assert mean_power(powers((0, None), (10, None))) is None
    assert mean_power(powers((0, 10.0))) is None


def test_a_watch_asks_at_its_start_and_end_and_in_between():
    asked = iter(range(10**9))
    with Watch(lambda: next(asked), interval_s=0.0001) as watch:
        while len(watch.answers) < 5:
            pass
    assert watch.answers == list(range(len(watch.answers)))
    assert next(asked) == len(watch.answers)


def test_a_watch_passes_on_what_went_wrong():
    answers = iter([1])

    def ask() -> int:
        found = next(answers, None)
        if found is None:
            raise EngineError("card", "it is lost", "Look for it")
        return found

    with pytest.raises(EngineError, match="it is lost"), Watch(ask, interval_s=0.0001) as watch:
        watch._thread.join()
