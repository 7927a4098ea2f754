"""The heats: every whole network runs for a short time, and the fastest come into the run."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from time import perf_counter_ns

import numpy as np

from eengines.errors import EngineError
from eengines.tensors import Array
from eerun.bench.batches import batches_of
from eerun.bench.settings import BenchSettings
from eerun.bench.turns import Settle, block_batches, turns_of_block
from eerun.bench.whole_network import WholeNetwork
from eerun.choose_configuration import usable_configurations
from eerun.configuration import Configuration
from eerun.device_settings import DeviceSettings

__all__ = ["Field", "run_heats"]

OTHERS, CLOSE = 2, 1.5
"""How many others than the chain's own whole network come into the run, if they take at most so many times what the
fastest takes: where two are close, the run decides; slow ones would only make it long."""

LEAST_ROUNDS = 5
HEAT_S, HEAT_SHARE = 0.3, 0.1
"""A candidate runs for `HEAT_S` seconds, or this share of the run if that is less; five rounds in any case."""

QUANTILE = 0.25
"""Of the rounds. Another process that takes the cores for a moment must not decide who comes into the run."""

NS_PER_MS = 1e6


@dataclass(frozen=True, kw_only=True, eq=False)
class Field:
    """The whole networks of a run.

    Attributes:
        own: name of the one with the chain's engine and precision.
        raced: those that come into the run, by name, `own` first.
        heat_ms: name -> milliseconds of a batch in the heats, of every candidate.
        not_tried: why other configurations of the bundle cannot run here, or what their engine said.
        usable: all configurations that were tried.
    """

    own: str
    raced: Mapping[str, WholeNetwork]
    heat_ms: Mapping[str, float]
    not_tried: tuple[str, ...]
    usable: tuple[Configuration, ...]


def run_heats(
    own: Configuration,
    inputs: Mapping[str, Array],
    settings: BenchSettings,
    *,
    threads: int,
    device: DeviceSettings | None = None,
) -> Field:
    """Load the whole network in every configuration that runs here, let them take turns, and keep the fastest.

    All of them agree with float32 to the bound of the build: it lists no others.

    Args:
        own: what the chain runs in.
        inputs: samples `[samples, ...]` by input name.
        settings: batch, duration and seed.
        threads: threads of every engine.
        device: which GPU, and how.

    Raises:
        BundleError: a file is damaged.
        EngineError: the chain's own backend fails. Where another one does, that configuration is left out.
    """
    found = usable_configurations(own.bundle, device)
    ways = {own.name: own, **{way.name: way for way in found.configurations if way.name != own.name}}
    candidates, failed = _load(ways, own.name, settings.batch_size, threads=threads)
    heat_ms = _heat(candidates, inputs, settings)
    close = [name for name, ms in heat_ms.items() if name != own.name and ms <= CLOSE * min(heat_ms.values())]
    others = sorted(close, key=heat_ms.__getitem__)
    return Field(
        own=own.name,
        raced={name: candidates[name] for name in (own.name, *others[:OTHERS])},
        heat_ms=heat_ms,
        not_tried=(*found.reasons, *failed),
        usable=tuple(candidate.way for candidate in candidates.values()),
    )


def _load(
    ways: Mapping[str, Configuration], own: str, batch: int, *, threads: int
) -> tuple[dict[str, WholeNetwork], tuple[str, ...]]:
    """Load whole networks and run each once. One that fails is left out with its reason, unless it is `own`."""
    loaded, failed = {}, []
    for name, way in ways.items():
        try:
            candidate = WholeNetwork(way, threads=threads)
            candidate.warm_up(batch)
        except EngineError as error:
            if name == own:
                raise
            failed.append(f"{name}: {error.problem}")
        else:
            loaded[name] = candidate
    return loaded, tuple(failed)


def _heat(
    candidates: Mapping[str, WholeNetwork], inputs: Mapping[str, Array], settings: BenchSettings
) -> dict[str, float]:
    """Lower quartile of the milliseconds of a batch, in turns as in the run."""
    engines = {name: candidate.way.engine for name, candidate in candidates.items()}
    times: dict[str, list[float]] = {name: [] for name in candidates}
    budget_ns = min(HEAT_S, HEAT_SHARE * settings.duration_s) * 1e9 * len(candidates)
    batch, settle = settings.batch_size, Settle()
    batches = batches_of(len(next(iter(inputs.values()))), batch, seed=settings.seed + 2)
    spent_ns, number = 0, 0
    while number < LEAST_ROUNDS or spent_ns < budget_ns:
        block = [{name: array[i] for name, array in inputs.items()} for i in islice(batches, block_batches(batch))]
        for name in turns_of_block(engines, number):
            settle.before(engines[name])
            candidates[name].infer(block[-1])
            started = perf_counter_ns()
            for given in block:
                candidates[name].infer(given)
            took = perf_counter_ns() - started
            times[name].append(took / len(block))
            spent_ns += took
        number += 1
    return {name: float(np.quantile(values, QUANTILE)) / NS_PER_MS for name, values in times.items()}
