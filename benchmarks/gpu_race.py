"""One engine and precision on a device at one batch size: chain, whole network and PyTorch in turns, and a profile."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter_ns
from typing import Any

import numpy as np

from eengines.errors import EngineError
from eengines.tensors import Array
from eerun.bench.batches import batches_of
from eerun.bench.statistics import PairedRatio, paired_ratio
from eerun.bench.turns import block_batches, turn_order
from eerun.device_configuration import OnDevice
from eerun.device_executor import DeviceChain, DeviceExecutor, DeviceWhole
from eerun.device_executor.profile import ChainProfiler
from eerun.device_executor.profile_result import ChainProfile, WholeProfile
from eerun.device_executor.profile_whole import profile_whole
from eerun.executor import Answers

__all__ = ["CHAIN", "DEVICE_EXITS", "EXITS_OFF", "WHOLE", "DeviceRace", "RaceResult"]

CHAIN, EXITS_OFF, WHOLE, DEVICE_EXITS = "chain", "chain, exits off", "whole", "chain, device decides"

Samples = Mapping[str, Array]
Contestant = Callable[[Samples], object]
LEAST_TURNS = 5


@dataclass(frozen=True, kw_only=True)
class RaceResult:
    """What was measured at one batch size.

    Attributes:
        batch: samples a batch.
        median_ms: milliseconds of a call on the host's clock, by contestant.
        ratios: time of each other contestant by the time of the chain, and of the chain with exits off by that of the
            whole network.
        profile: the batch with exits, taken apart by events.
        exits_off: the same when nobody leaves early.
        whole: the whole network.
        device_boundary_us: a boundary when the device decides; None: see `no_device_exits`.
        no_device_exits: why the device cannot decide, or that nobody went on.
    """

    batch: int
    median_ms: dict[str, float]
    ratios: dict[str, PairedRatio]
    profile: ChainProfile
    exits_off: ChainProfile
    whole: WholeProfile
    device_boundary_us: float | None
    no_device_exits: str | None


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceRace:
    """Chain and whole network of one configuration, loaded once for all batch sizes.

    Attributes:
        way: engine and precision.
        inputs: samples by input name.
        seconds: of each race.
        rounds: of each profile.
        seed: of the order of samples and of the bootstrap.
        others: further contestants by name.
    """

    way: OnDevice
    inputs: Samples
    seconds: float
    rounds: int
    seed: int
    others: Mapping[str, Contestant] = field(default_factory=dict)

    def run(self, batch: int) -> RaceResult:
        """Measure at one batch size, one of the buckets.

        Raises:
            EngineError: the device or an engine failed.
        """
        way, costs = self.way, self.way.costs()
        with way.device.use():
            chain, whole = way.load(way.chain(), f"{way.words}, segment {{}}"), way.load(way.whole(), "whole network")
            contestants, refused = self._contestants(chain, whole)
            times = self._race({**contestants, **self.others}, batch)
            del contestants
            profiler = ChainProfiler(chain, costs, self.inputs, rows=batch, rounds=self.rounds)
            thresholds = way.policy().thresholds
            profile, off = profiler.profile(thresholds), profiler.profile((None,) * len(thresholds))
            boundary_us, reason = self._on_device(profiler, profile, off, refused)
            whole_profile = profile_whole(whole, costs.of_whole(), self.inputs, rows=batch, rounds=self.rounds)
        return RaceResult(
            batch=batch,
            median_ms={name: float(np.median(found)) / 1e6 for name, found in times.items()},
            ratios=self._ratios(times, batch),
            profile=profile,
            exits_off=off,
            whole=whole_profile,
            device_boundary_us=boundary_us,
            no_device_exits=reason,
        )

    def _contestants(self, chain: DeviceChain, whole: DeviceChain) -> tuple[dict[str, Contestant], str | None]:
        """Those that run on the device, and why none lets the device decide."""
        costs, thresholds = self.way.costs(), self.way.policy().thresholds
        host = DeviceExecutor(chain, costs, in_flight=1)
        found = {
            CHAIN: _answering(host, thresholds),
            EXITS_OFF: _answering(host, (None,) * len(thresholds)),
            WHOLE: DeviceWhole(whole, costs.of_whole(), in_flight=1).infer,
        }
        switch = chain.device.probe_switch()
        if not switch.ok:
            return found, switch.reason
        device = DeviceExecutor(chain, costs, in_flight=1, device_exits=True)
        if not device.device_exits:
            return found, "the graphs could not be recorded; logger `eerun` says why"
        return {**found, DEVICE_EXITS: _answering(device, thresholds)}, None

    def _on_device(
        self, profiler: ChainProfiler, profile: ChainProfile, off: ChainProfile, refused: str | None
    ) -> tuple[float | None, str | None]:
        """What a boundary costs when the device decides: with exits, or exits off where all leave at the first."""
        if refused is not None:
            return None, refused
        thresholds = self.way.policy().thresholds
        try:
            with_exits = profiler.device_boundary_us(thresholds, profile)
            if with_exits is not None:
                return with_exits, None
            return profiler.device_boundary_us((None,) * len(thresholds), off), None
        except EngineError as error:
            return None, f"{error.where}: {error.problem}"

    def _race(self, contestants: Mapping[str, Contestant], batch: int) -> dict[str, Any]:
        """Nanoseconds of every batch; a turn is an untimed batch and then as many as make a pair."""
        batches, calls = batches_of(len(next(iter(self.inputs.values()))), batch, seed=self.seed), block_batches(batch)
        times: dict[str, list[int]] = {name: [] for name in contestants}
        started, turn = perf_counter_ns(), 0
        while turn <= LEAST_TURNS or perf_counter_ns() - started < self.seconds * 1e9:
            given = [{name: array[i] for name, array in self.inputs.items()} for i in islice(batches, calls)]
            for name in turn_order(list(contestants), turn):
                contestants[name](given[-1])
                for samples in given:
                    before = perf_counter_ns()
                    contestants[name](samples)
                    times[name].append(perf_counter_ns() - before)
            turn += 1
        return {name: np.array(found[calls:], np.float64) for name, found in times.items()}

    def _ratios(self, times: Mapping[str, Any], batch: int) -> dict[str, PairedRatio]:
        pairs = [(name, CHAIN) for name in times if name != CHAIN] + [(EXITS_OFF, WHOLE)]
        return {
            f"{over} / {under}": paired_ratio(times[over], times[under], batch=batch, seed=self.seed)
            for over, under in pairs
        }


def _answering(executor: DeviceExecutor, thresholds: Any) -> Contestant:
    """Inputs on the host in, answers on the host out."""

    def answer(samples: Samples) -> Answers:
        count = len(next(iter(samples.values())))
        answers = Answers(
            outputs=np.empty((count, executor.classes), np.float32),
            exit_index=np.empty(count, np.int32),
            confidence=np.empty(count, np.float32),
        )
        executor.infer(samples, thresholds, answers)
        return answers

    return answer
