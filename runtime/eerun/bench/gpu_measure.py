"""After the timed run on a device: take one batch apart by events, and measure energy."""

from collections.abc import Mapping

from eengines.tensors import Array
from eerun.bench.contestants import ChainContestants
from eerun.bench.gpu_card import BenchCard
from eerun.bench.gpu_energy import NO_ENERGY, measure_energy
from eerun.bench.gpu_result import EnergySummary, GpuSummary
from eerun.bench.heats import Field
from eerun.bench.settings import BenchSettings
from eerun.device_configuration import OnDevice
from eerun.device_executor import DeviceExecutor
from eerun.device_executor.profile import ChainProfiler
from eerun.device_executor.profile_result import ChainProfile, WholeProfile
from eerun.device_executor.profile_whole import profile_whole
from eerun.executor import GroupedExecutor

__all__ = ["bench_card", "measure_gpu"]

ROUNDS = 50
LEAST_ROUNDS = 5
ROUNDS_PER_S = 10
"""Of the run's duration, so that a short run stays short."""


def bench_card(chain: ChainContestants, card: BenchCard | None) -> BenchCard | None:
    """The card of a run; None: the chain runs on the host."""
    if not isinstance(chain.way, OnDevice):
        return None
    return card or BenchCard(chain.way.device)


def measure_gpu(
    chain: ChainContestants,
    field: Field,
    fastest: str,
    card: BenchCard,
    inputs: Mapping[str, Array],
    settings: BenchSettings,
) -> GpuSummary:
    """Measure what the timed run cannot tell.

    Args:
        chain: it runs on a device.
        field: the whole networks of the run.
        fastest: name of the fastest.
        card: watched during the run.
        inputs: samples `[samples, ...]` by input name.
        settings: batch, duration and seed.

    Raises:
        EngineError: the device or an engine failed.
    """
    way = chain.way
    assert isinstance(way, OnDevice)  # noqa: S101 - `bench_card` has asked
    name = fastest if isinstance(field.raced[fastest].way, OnDevice) else field.own
    whole = field.raced[name]
    assert isinstance(whole.way, OnDevice)  # noqa: S101 - the chain's own is
    rows = min(settings.batch_size, chain.executor.max_batch)
    rounds = min(ROUNDS, max(LEAST_ROUNDS, int(ROUNDS_PER_S * settings.duration_s)))
    with_exits, exits_off, boundary_us = _profile_chain(chain, way, inputs, rows=rows, rounds=rounds)
    energy, no_energy = _energy(chain, field, name, card, inputs, settings)
    capability = way.device.compute_capability
    return GpuSummary(
        card=way.device.name,
        compute_capability=None if capability is None else "{}.{}".format(*capability),
        driver=way.device.driver,
        in_flight=min(settings.in_flight, -(-settings.batch_size // chain.executor.max_batch)),
        device_exits=_by_device(chain),
        rows=rows,
        chain=with_exits,
        exits_off=exits_off,
        whole_name=name,
        whole=_profile_whole(whole.way, inputs, rows=rows, rounds=rounds),
        device_boundary_us=boundary_us,
        no_card=card.no_card,
        card_state=card.summary(),
        energy=energy,
        no_energy=no_energy,
    )


def _profile_chain(
    chain: ChainContestants, way: OnDevice, inputs: Mapping[str, Array], *, rows: int, rounds: int
) -> tuple[ChainProfile, ChainProfile, float | None]:
    """With exits, exits off, and what a boundary costs when the device decides, if it does."""
    thresholds = chain.model.thresholds
    with way.device.use():
        profiler = ChainProfiler(
            way.load(way.chain(), f"{way.words}, segment {{}}"), way.costs(), inputs, rows=rows, rounds=rounds
        )
        with_exits = profiler.profile(thresholds)
        off = profiler.profile((None,) * len(thresholds))
        boundary_us = profiler.device_boundary_us(thresholds, with_exits) if _by_device(chain) else None
    return with_exits, off, boundary_us


def _by_device(chain: ChainContestants) -> bool:
    """Whether the device goes from exit to exit by itself."""
    executor = chain.executor.within if isinstance(chain.executor, GroupedExecutor) else chain.executor
    return isinstance(executor, DeviceExecutor) and executor.device_exits


def _profile_whole(way: OnDevice, inputs: Mapping[str, Array], *, rows: int, rounds: int) -> WholeProfile:
    with way.device.use():
        loaded = way.load(way.whole(), f"{way.words}, whole network")
        return profile_whole(loaded, way.costs().of_whole(), inputs, rows=rows, rounds=rounds)


def _energy(
    chain: ChainContestants,
    field: Field,
    whole: str,
    card: BenchCard,
    inputs: Mapping[str, Array],
    settings: BenchSettings,
) -> tuple[EnergySummary | None, str | None]:
    """Energy, or why it is not known; the monitor failing loses the energy, not the run."""
    if card.monitor is None:
        return None, card.no_card
    found = measure_energy(
        chain.with_exits,
        field.raced[whole].answer,
        card.monitor,
        inputs,
        batch=settings.batch_size,
        duration_s=settings.duration_s,
        seed=settings.seed + 3,
    )
    return found, NO_ENERGY if found is None else None
