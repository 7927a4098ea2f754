"""Energy per image: contestants run by turns for a second or so each, several laps, while the card is read."""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, islice
from statistics import median
from time import perf_counter_ns
from typing import NamedTuple

from eengines.devices.mean_power import mean_power
from eengines.devices.nvml import CardMonitor
from eengines.devices.watch import Watch
from eengines.tensors import Array
from eerun.bench.batches import batches_of
from eerun.bench.gpu_card import spread
from eerun.bench.gpu_result import Energy, EnergySummary, Spread

__all__ = ["NO_ENERGY", "measure_energy"]

LAPS = 5
LAP_S, LAP_SHARE = 1.0, 0.2
"""A lap takes a second, or this share of the run if that is less."""

READ_S = 0.005
BATCHES = 8
NS_PER_S = 1e9
MJ_PER_J = 1e3

NO_ENERGY = "the card told its energy or power fewer than twice in a lap: give a longer --duration"

Answer = Callable[[Mapping[str, Array]], object]
"""Answers one batch."""


class _Lap(NamedTuple):
    """What one contestant did in one lap."""

    images: int
    mj_per_image: float
    watts: float
    updates: int


def measure_energy(
    chain: Answer,
    whole: Answer,
    monitor: CardMonitor,
    inputs: Mapping[str, Array],
    *,
    batch: int,
    duration_s: float,
    seed: int,
) -> EnergySummary | None:
    """Let chain and whole network take turns; their order changes from lap to lap.

    Energy per image is mean power times time per image: both are of the whole lap, whatever the card's counter had
    counted at its ends.

    Args:
        chain: the chain with exits.
        whole: the network without exit heads.
        monitor: of the card.
        inputs: samples `[samples, ...]` by input name.
        batch: samples a batch.
        duration_s: seconds of the bench run.
        seed: seed of the order of samples.

    Returns:
        None: in some lap the card told too little.

    Raises:
        EngineError: an engine or the card failed.
    """
    lap_s = min(LAP_S, LAP_SHARE * duration_s)
    orders = islice(batches_of(len(next(iter(inputs.values()))), batch, seed=seed), BATCHES)
    given = [{name: array[index] for name, array in inputs.items()} for index in orders]
    laps = _laps({"chain": chain, "whole": whole}, monitor, given, batch, lap_s)
    if laps is None:
        return None
    ratios = [
        whole_lap.mj_per_image / chain_lap.mj_per_image
        for chain_lap, whole_lap in zip(laps["chain"], laps["whole"], strict=True)
    ]
    return EnergySummary(
        chain=_energy(laps["chain"]),
        whole=_energy(laps["whole"]),
        ratio=Spread(median=median(ratios), least=min(ratios), most=max(ratios)),
        laps=LAPS,
        lap_s=lap_s,
        from_counter=monitor.has_counter,
        least_updates=min(lap.updates for each in laps.values() for lap in each),
    )


def _laps(
    answers: Mapping[str, Answer],
    monitor: CardMonitor,
    given: Sequence[Mapping[str, Array]],
    batch: int,
    lap_s: float,
) -> dict[str, list[_Lap]] | None:
    """All laps by contestant; None: in one of them the card told too little."""
    laps: dict[str, list[_Lap]] = {name: [] for name in answers}
    for number in range(LAPS):
        for name in sorted(answers, reverse=bool(number % 2)):
            lap = _lap(answers[name], monitor, given, batch, lap_s)
            if lap is None:
                return None
            laps[name].append(lap)
    return laps


def _lap(
    answer: Answer, monitor: CardMonitor, given: Sequence[Mapping[str, Array]], batch: int, lap_s: float
) -> _Lap | None:
    """One lap, after one batch that is not counted; None: the card told too little."""
    answer(given[-1])
    batches = 0
    with Watch(monitor.reading, interval_s=READ_S) as watch:
        started = perf_counter_ns()
        for inputs in cycle(given):
            answer(inputs)
            batches += 1
            seconds = (perf_counter_ns() - started) / NS_PER_S
            if seconds >= lap_s:
                break
    power = mean_power(watch.answers)
    if power is None:
        return None
    images = batches * batch
    return _Lap(
        images=images,
        mj_per_image=power.watts * seconds / images * MJ_PER_J,
        watts=power.watts,
        updates=power.updates,
    )


def _energy(laps: Sequence[_Lap]) -> Energy:
    per_image, watts = spread([lap.mj_per_image for lap in laps]), spread([lap.watts for lap in laps])
    assert per_image is not None  # noqa: S101 - every lap has both
    assert watts is not None  # noqa: S101 - as above
    return Energy(mj_per_image=per_image, watts=watts, images=sum(lap.images for lap in laps))
