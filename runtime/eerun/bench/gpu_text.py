"""The block of a bench report about the card."""

from itertools import zip_longest

from eerun.bench.gpu_result import CardSummary, Clock, EnergySummary, GpuSummary, Spread
from eerun.bench.table import aligned, number
from eerun.device_executor.profile_result import ChainProfile, StepProfile, WholeProfile

__all__ = ["gpu_block"]

UNKNOWN = "not known"


def gpu_block(gpu: GpuSummary, exits: tuple[str, ...]) -> list[str]:
    """Return the lines of the block.

    Args:
        gpu: what was measured.
        exits: names of the exits.
    """
    capability = "" if gpu.compute_capability is None else f", compute capability {gpu.compute_capability}"
    return [
        "=== GPU ===",
        f"{gpu.card}{capability}, driver {gpu.driver}",
        *_times(gpu),
        *_boundaries(gpu, exits),
        *_state(gpu),
        *_energy(gpu),
    ]


def _times(gpu: GpuSummary) -> list[str]:
    """Who the rival is, and the times of one batch."""
    batches = "one batch" if gpu.in_flight == 1 else f"{gpu.in_flight} batches"
    rows = [
        (f"a batch of {gpu.rows}, by events", "copy in ms", "compute ms", "copy out ms", "GPU ms", "host enqueue ms"),
        _row("chain with exits", gpu.chain),
        _row("chain, exits off", gpu.exits_off),
        _row(f"whole network, {gpu.whole_name}", gpu.whole),
    ]
    return [
        "The rival is what trtexec measures: the whole network as one CUDA graph, copies in and out included, "
        f"{batches} in flight as in the chain",
        *aligned(rows),
    ]


def _row(name: str, profile: ChainProfile | WholeProfile) -> tuple[str, ...]:
    times = (profile.copy_in_ms, profile.compute_ms, profile.copy_out_ms, profile.gpu_ms, profile.host_ms)
    return (name, *(number(ms, 4) for ms in times))


def _boundaries(gpu: GpuSummary, exits: tuple[str, ...]) -> list[str]:
    head = ("segment to", "rows", "survivors", "segment ms", "decision us", "compaction us", "boundary us", "exits off")
    rows: list[tuple[str, ...]] = [head]
    for name, step, off in zip_longest(exits, gpu.chain.steps, gpu.exits_off.steps):
        ran = ("-",) * 6 if step is None else _step(step)
        rows.append((name, *ran, number(off.boundary_us, 1)))
    lines = ["Boundaries when the host decides, from the end of a segment to the start of the next:", *aligned(rows)]
    if gpu.device_boundary_us is not None:
        lines.append(f"Boundary when the GPU decides (--device-exits): {gpu.device_boundary_us:.1f} us")
    return lines


def _step(step: StepProfile) -> tuple[str, ...]:
    return (
        str(step.rows),
        str(step.survivors),
        number(step.segment_ms, 4),
        number(step.decision_us, 1),
        number(step.compaction_us, 1),
        number(step.boundary_us, 1),
    )


def _state(gpu: GpuSummary) -> list[str]:
    state = gpu.card_state
    if state is None:
        return [f"Clocks, temperature and energy are not known: {gpu.no_card}"]
    return [
        f"Clocks: SM {_clock(state.sm_mhz)}, memory {_clock(state.memory_mhz)}; held back by: "
        f"{', '.join(state.slowed_by) or 'nothing'}",
        f"Temperature: {_range(state.temperature_c, 0, 'C')}; {_power(state)}",
    ]


def _clock(clock: Clock | None) -> str:
    if clock is None:
        return UNKNOWN
    highest = "" if clock.highest is None else f" of {clock.highest}"
    return f"{_range(clock.seen, 0, 'MHz')}{highest}"


def _power(state: CardSummary) -> str:
    return f"power {_range(state.power_w, 1, 'W')}, {state.readings} readings"


def _range(spread: Spread | None, digits: int, unit: str) -> str:
    """Median, and extremes in brackets."""
    if spread is None:
        return UNKNOWN
    return f"{spread.median:.{digits}f} {unit} ({spread.least:.{digits}f}-{spread.most:.{digits}f})"


def _energy(gpu: GpuSummary) -> list[str]:
    energy = gpu.energy
    if energy is None:
        return [] if gpu.card_state is None else [f"Energy is not known: {gpu.no_energy}"]
    return [
        f"Energy per image: chain {_range(energy.chain.mj_per_image, 3, 'mJ')}, whole network ({gpu.whole_name}) "
        f"{_range(energy.whole.mj_per_image, 3, 'mJ')}: {energy.ratio.median:.2f}x "
        f"({energy.ratio.least:.2f}-{energy.ratio.most:.2f}), {_way(energy)}"
    ]


def _way(energy: EnergySummary) -> str:
    source = "the board's counter" if energy.from_counter else "samples of the board's power"
    return f"{energy.laps} laps of {energy.lap_s:.2f} s each in turns, by {source}, idle power included"
