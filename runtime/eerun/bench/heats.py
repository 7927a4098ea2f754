"""The heats: every whole network runs for a short time, and the fastest come into the run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from time import perf_counter_ns

import numpy as np

from eengines.errors import EngineError
from eengines.tensors import Array
from eerun.bench.batches import batches_of
from eerun.bench.settings import BenchSettings
from eerun.bench.turns import Settle, block_batches, turns_of_block
from eerun.bench.unfolded import unfolded_names
from eerun.bench.whole_network import WholeNetwork
from eerun.bundle import Bundle
from eerun.choose_configuration import usable_configurations
from eerun.configuration import Configuration
from eerun.device_settings import DeviceSettings

__all__ = ["Field", "run_heats"]

OTHERS, CLOSE = 2, 1.5
"""How many others than the chain's own whole network come into the run, if they take at most so many times what the
fastest takes: where two are close, the run decides; slow ones would only make it long. The fastest of a folded bundle
comes into the run in any case where an unfolded one does."""

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
        usable: all configurations of the bundle itself that were tried.
        unfolded: names of those in `raced` that are networks of the unfolded bundle, the fastest in the heats first.
    """

    own: str
    raced: Mapping[str, WholeNetwork]
    heat_ms: Mapping[str, float]
    not_tried: tuple[str, ...]
    usable: tuple[Configuration, ...]
    unfolded: tuple[str, ...] = ()

    def of_bundle(self) -> dict[str, WholeNetwork]:
        """Those in `raced` that are networks of the bundle itself."""
        return {name: whole for name, whole in self.raced.items() if name not in self.unfolded}


def run_heats(
    own: Configuration,
    inputs: Mapping[str, Array],
    settings: BenchSettings,
    *,
    threads: int,
    device: DeviceSettings | None = None,
    unfolded: Bundle | None = None,
) -> Field:
    """Load the whole network in every configuration that runs here, let them take turns, and keep the fastest.

    All of them agree with float32 to the bound of the build: it lists no others. Where there is an unfolded bundle its
    whole networks run in the same heats, and the fastest of either bundle comes into the run in any case.

    Args:
        own: what the chain runs in.
        inputs: samples `[samples, ...]` by input name.
        settings: batch, duration and seed.
        threads: threads of every engine.
        device: which GPU, and how.
        unfolded: the bundle of the same network unfolded.

    Raises:
        BundleError: a file is damaged.
        EngineError: the chain's own backend fails. Where another one does, that configuration is left out.
    """
    found = usable_configurations(own.bundle, device)
    ways = {own.name: own, **{way.name: way for way in found.configurations if way.name != own.name}}
    candidates, failed = _load(ways, own.name, settings.batch_size, threads=threads)
    plain, plain_reasons = _load_unfolded(unfolded, settings, device, threads=threads)
    both = {**candidates, **plain}
    heat_ms = _heat(both, inputs, settings)
    sure, rivals = [own.name], list[str]()
    if plain:  # folding is judged by the fastest of both
        best, other = (min(ways, key=heat_ms.__getitem__) for ways in (candidates, plain))
        sure = [*dict.fromkeys((own.name, best))]
        rivals = _fastest(plain, [other], heat_ms)
    folded = _fastest(candidates, sure, heat_ms)
    return Field(
        own=own.name,
        raced={name: both[name] for name in (*folded, *rivals)},
        heat_ms=heat_ms,
        not_tried=(*found.reasons, *failed, *plain_reasons),
        usable=tuple(candidate.way for candidate in candidates.values()),
        unfolded=tuple(rivals),
    )


def _fastest(names: Iterable[str], sure: Sequence[str], heat_ms: Mapping[str, float]) -> list[str]:
    """Who comes into the run: some in any case, and others that are close to the fastest of all, the fastest first."""
    close = [name for name in names if name not in sure and heat_ms[name] <= CLOSE * min(heat_ms.values())]
    return [*sure, *sorted(close, key=heat_ms.__getitem__)[: OTHERS + 1 - len(sure)]]


def _load_unfolded(
    bundle: Bundle | None, settings: BenchSettings, device: DeviceSettings | None, *, threads: int
) -> tuple[dict[str, WholeNetwork], tuple[str, ...]]:
    """Load the whole networks of the unfolded bundle under names of their own; none without one."""
    if bundle is None:
        return {}, ()
    found = usable_configurations(bundle, device)
    ways = unfolded_names({way.name: way for way in found.configurations})
    candidates, failed = _load(ways, None, settings.batch_size, threads=threads)
    return candidates, (*(f"unfolded {reason}" for reason in found.reasons), *failed)


def _load(
    ways: Mapping[str, Configuration], own: str | None, batch: int, *, threads: int
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
