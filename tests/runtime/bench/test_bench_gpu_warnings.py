"""What a bench run on a card warns of."""

from dataclasses import replace

import pytest

from eengines.devices.cpu import CpuDevice
from eengines.devices.nvml import CardState
from eerun.bench.gpu_card import BenchCard, spread
from eerun.bench.gpu_result import CardSummary, Clock, Energy, EnergySummary, GpuSummary, Spread
from eerun.bench.gpu_warnings import gpu_warnings
from eerun.device_executor.profile_result import ChainProfile, StepProfile, WholeProfile


def around(value: float, range_: float = 0.0) -> Spread:
    return Spread(median=value, least=value - range_ / 2, most=value + range_ / 2)


@pytest.fixture
def gpu() -> GpuSummary:
    steps = (
        StepProfile(rows=32, survivors=10, segment_ms=0.5, decision_us=4.0, exit_us=6.0, boundary_us=20.0),
        StepProfile(rows=16, survivors=0, segment_ms=0.8, decision_us=4.0, exit_us=4.0, boundary_us=None),
    )
    chain = ChainProfile(samples=32, rounds=5, copy_in_ms=0.05, steps=steps, host_ms=0.3)
    each = Energy(mj_per_image=around(0.5), watts=around(60.0), images=1000)
    return GpuSummary(
        card="Tesla T4",
        compute_capability="7.5",
        driver="580.65.06 (CUDA 13.0)",
        in_flight=1,
        device_exits=False,
        rows=32,
        chain=chain,
        exits_off=chain,
        whole_name="tensorrt-float16",
        whole=WholeProfile(samples=32, rounds=5, copy_in_ms=0.05, compute_ms=2.0, copy_out_ms=0.01, host_ms=0.2),
        device_boundary_us=None,
        no_card=None,
        card_state=CardSummary(
            readings=100,
            sm_mhz=Clock(seen=around(1500.0, 15.0), highest=1590),
            memory_mhz=None,
            slowed_by=(),
            temperature_c=None,
            power_w=None,
        ),
        energy=EnergySummary(
            chain=each, whole=each, ratio=around(1.0), laps=5, lap_s=1.0, from_counter=True, least_updates=10
        ),
        no_energy=None,
    )


def test_a_good_run_needs_no_warning(gpu):
    assert gpu_warnings(gpu) == ()


def test_a_host_that_is_too_slow(gpu):
    (warning,) = gpu_warnings(replace(gpu, chain=replace(gpu.chain, host_ms=1.5)))
    assert warning == (
        "Enqueue-bound: the host needs 1.500 ms to stage and enqueue a batch for the chain, the GPU 1.360 ms to run "
        "it, so the GPU waits for the host. Give a larger --batch; beyond the largest bucket, --in-flight batches run "
        "at once. Or let the GPU decide: --device-exits."
    )
    by_device = replace(gpu, device_exits=True, chain=replace(gpu.chain, host_ms=1.5))
    assert "--device-exits" not in gpu_warnings(by_device)[0]
    (warning,) = gpu_warnings(replace(gpu, whole=replace(gpu.whole, host_ms=2.5)))
    assert "for the whole network (tensorrt-float16), the GPU 2.060 ms" in warning


def test_an_unstable_clock(gpu):
    clock = Clock(seen=around(1200.0, 300.0), highest=1590)
    (warning,) = gpu_warnings(replace(gpu, card_state=replace(gpu.card_state, sm_mhz=clock)))
    assert warning.startswith("The GPU's clock was unstable, 1050 to 1350 MHz (25 % of its median)")


def test_clocks_held_back(gpu):
    (warning,) = gpu_warnings(replace(gpu, card_state=replace(gpu.card_state, slowed_by=("power cap", "power brake"))))
    assert "held back during the run: power cap, power brake." in warning


def test_a_coarse_counter(gpu):
    (warning,) = gpu_warnings(replace(gpu, energy=replace(gpu.energy, least_updates=2)))
    assert warning.startswith("The card's energy counter is coarse: it changed 2 times in a lap of 1.00 s")


def test_no_counter(gpu):
    (warning,) = gpu_warnings(replace(gpu, energy=replace(gpu.energy, from_counter=False)))
    assert warning.startswith("This card has no energy counter")


def test_without_nvml_there_is_nothing_to_warn_of(gpu):
    assert gpu_warnings(replace(gpu, card_state=None, energy=None)) == ()


def state(mhz: int | None, *, idle: bool, reasons: tuple[str, ...] = ()) -> CardState:
    return CardState(sm_mhz=mhz, memory_mhz=None, idle=idle, slowed_by=reasons, temperature_c=None, power_w=None)


class Monitor:
    max_sm_mhz, max_memory_mhz = 1590, None


def test_moments_without_work_do_not_count():
    card = BenchCard(CpuDevice(), Monitor())
    card.states = [state(300, idle=True), state(1500, idle=False, reasons=("a",)), state(1400, idle=False)]
    found = card.summary()
    assert found.sm_mhz == Clock(seen=Spread(median=1450.0, least=1400.0, most=1500.0), highest=1590)
    assert (found.memory_mhz, found.slowed_by, found.readings) == (None, ("a",), 3)
    card.states = [state(300, idle=True)]
    assert card.summary().sm_mhz.seen.median == 300.0


def test_the_spread_of_nothing_is_none():
    assert spread([None, None]) is None
    assert spread([None, 2.0, 4.0]) == Spread(median=3.0, least=2.0, most=4.0)
