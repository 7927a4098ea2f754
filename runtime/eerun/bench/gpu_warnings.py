"""What a user should know before believing times on a card; the first two are trtexec's warnings."""

from eerun.bench.gpu_result import GpuSummary
from eerun.bench.table import share

__all__ = ["gpu_warnings"]

UNSTABLE_CLOCK = 0.05
"""Range of the clock by its median."""

FEW_UPDATES = 5
"""Updates of the energy counter in a lap, below which one update more or less changes the energy by over 20 %."""


def gpu_warnings(gpu: GpuSummary) -> tuple[str, ...]:
    """Return sentences about the card and the times on it."""
    return (*_bound_by_host(gpu), *_clocks(gpu), *_energy(gpu))


def _bound_by_host(gpu: GpuSummary) -> list[str]:
    remedy = "Give a larger --batch; beyond the largest bucket, --in-flight batches run at once."
    chain = "" if gpu.device_exits else " Or let the GPU decide: --device-exits."
    return [
        f"Enqueue-bound: the host needs {host_ms:.3f} ms to stage and enqueue a batch for {name}, the GPU "
        f"{gpu_ms:.3f} ms to run it, so the GPU waits for the host. {remedy}{more}"
        for name, host_ms, gpu_ms, more in (
            ("the chain", gpu.chain.host_ms, gpu.chain.gpu_ms, chain),
            (f"the whole network ({gpu.whole_name})", gpu.whole.host_ms, gpu.whole.gpu_ms, ""),
        )
        if host_ms > gpu_ms
    ]


def _clocks(gpu: GpuSummary) -> list[str]:
    state, found = gpu.card_state, []
    if state is None:
        return []
    if state.slowed_by:
        found.append(
            f"The GPU's clocks were held back during the run: {', '.join(state.slowed_by)}. Times are those of a "
            "slowed card; see to cooling and power, or compare ratios only."
        )
    clock = state.sm_mhz
    if clock is not None and clock.seen.most - clock.seen.least > UNSTABLE_CLOCK * clock.seen.median:
        found.append(
            f"The GPU's clock was unstable, {clock.seen.least:.0f} to {clock.seen.most:.0f} MHz "
            f"({share((clock.seen.most - clock.seen.least) / clock.seen.median, 0)} of its median): single times are "
            "unstable, ratios hold better. Whoever runs the machine can lock it (nvidia-smi -lgc); bench changes "
            "nothing."
        )
    return found


def _energy(gpu: GpuSummary) -> list[str]:
    energy = gpu.energy
    if energy is None:
        return []
    found = []
    if energy.least_updates < FEW_UPDATES:
        what = "energy counter" if energy.from_counter else "power reading"
        found.append(
            f"The card's {what} is coarse: it changed {energy.least_updates} times in a lap of {energy.lap_s:.2f} s, "
            "so energy per image is rough. Give a longer --duration."
        )
    if not energy.from_counter:
        found.append(
            "This card has no energy counter: energy is integrated from samples of its power, which miss short peaks."
        )
    return found
