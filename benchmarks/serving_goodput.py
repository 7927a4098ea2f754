"""Greatest load at the promised latency: chain against whole network in one server, beside the offline speed-up."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from eerun.bench import BenchSettings, run_bench
from eerun.bench.server.load_generator import LoadGenerator
from eerun.bench.server.load_result import LoadSummary
from eerun.bench.server.open_targets import CHAIN, WHOLE, Opened, open_targets
from eerun.bench.server.settings import LoadSettings
from eerun.bench.server.turns_of_servers import Turns
from eerun.bench.statistics import bootstrap

__all__ = ["goodput_figure", "held_load", "way_of"]

OFFLINE_BATCH = 32
OFFLINE_SHARE = 0.5
FIRST_PROBE = 0.4
"""Share of the slower one's offline throughput with which a search begins."""
SEARCH_S, BLOCK_S = 1.0, 2.0
"""Seconds of a probe of the search that says where to look, and of each server at each load in a block."""
LOADS = tuple(round(0.46 + 0.05 * step, 2) for step in range(13))
"""Loads by what short probes found, which miss the pauses of a machine that others use, too."""
PATIENCE_S = 10.0

WAY = re.compile(r"\((\S+) (\S+), \d+ exits?\)")


def goodput_figure(
    common: dict[str, Any],
    *,
    batches: tuple[int, ...],
    repeats: int,
    seconds: float,
    blocks: int,
    slo_ms: float,
    serve_flags: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Find the greatest load of both servers several times, each time beside a run of the offline bench.

    Both servers are driven at the same loads, all loads in each block, so that a machine that changes its pace does so
    for all of them. A load is held where in the median block as many queries are in time as the percentile says.

    Args:
        common: fields of `LoadSettings` and `BenchSettings`: bundle, data, engine, precision, threads.
        batches: samples a query.
        repeats: how often, with arrivals of their own.
        seconds: of the run of the offline bench, twice.
        blocks: how often both servers take their turns at each load.
        slo_ms: the promised latency.
        serve_flags: further flags of both servers.

    Returns:
        For each batch the loads of each repetition, the ratio of goodputs, the offline speed-up of the same repetition,
        the ratio of these two, and in which engine and precision chain and whole network ran.
    """
    offline, serving = list[dict[str, Any]](), {batch: list[dict[str, Any]]() for batch in batches}
    for repeat in range(repeats):
        offline.append(_offline(common, seconds * OFFLINE_SHARE, seed=repeat))
        for batch in batches:
            settings = LoadSettings(
                **common,
                batch=batch,
                duration_s=seconds,
                blocks=blocks,
                slo_ms=slo_ms,
                seed=repeat,
                serve_flags=serve_flags,
            )
            serving[batch].append(_serving(settings, offline[-1]))
            print(f"{batch} a query, {repeat + 1} of {repeats}: {serving[batch][-1]}")
    return {
        "slo_ms": slo_ms,
        "serve_flags": serve_flags,
        "offline_batch": OFFLINE_BATCH,
        "offline": offline,
        "offline_speedup": _spread([run["speedup"] for run in offline]),
        "batches": {
            str(batch): {
                "repeats": runs,
                "goodput_ratio": _spread([run["goodput_ratio"].value for run in runs]),
                "serving_over_offline": _spread([run["serving_over_offline"] for run in runs]),
            }
            for batch, runs in serving.items()
        },
    }


def _offline(common: dict[str, Any], seconds: float, *, seed: int) -> dict[str, Any]:
    """Total time of the fastest whole network by that of the chain, and where both ran."""
    settings = BenchSettings(**common, batch=OFFLINE_BATCH, duration_s=seconds, seed=seed)
    result = run_bench(settings, lambda _: None)
    return {
        "speedup": result.whole.speedup.totals.value,
        "chain": result.own,
        "whole": result.fastest,
        "samples_per_s": {"chain": result.chain.samples_per_s, "whole": result.whole.speed.samples_per_s},
        "warnings": result.warnings,
    }


def _serving(settings: LoadSettings, offline: dict[str, Any]) -> dict[str, Any]:
    start = FIRST_PROBE * min(offline["samples_per_s"].values())
    with ExitStack() as stack:
        opened = open_targets(settings, stack)
        bodies, connections = opened.queries.bodies, settings.connections
        generator = stack.enter_context(LoadGenerator(bodies, connections=connections, patience_s=PATIENCE_S))

        def turns_of(block: int, seconds: float) -> tuple[LoadSettings, Turns]:
            own = replace(settings, seed=settings.seed * 1000 + block, duration_s=seconds, blocks=1)
            names = sorted(opened.targets, reverse=bool(block % 2))
            return own, Turns({name: opened.targets[name] for name in names}, generator, opened.queries, own)

        found = turns_of(settings.blocks, SEARCH_S)[1].search(lambda _: None, start_samples_per_s=start)
        loads = np.sqrt(found[CHAIN] * found[WHOLE]) * np.array(LOADS)
        runs = [_at_all_loads(opened, *turns_of(block, BLOCK_S), loads) for block in range(settings.blocks)]
    within = {name: np.array([[_within(run) for run in block[name]] for block in runs]) for name in opened.targets}
    kept = settings.percentile / 100

    def ratio(pick: Any) -> float:
        return held_load(loads, within[CHAIN][pick], kept) / held_load(loads, within[WHOLE][pick], kept)

    goodput_ratio = bootstrap(settings.blocks, ratio, seed=0)
    words = {name: runs[0][name][0].server for name in opened.targets}
    return {
        "loads_qps": loads.tolist(),
        "within_slo": {name: np.median(shares, axis=0).tolist() for name, shares in within.items()},
        "held_qps": {name: held_load(loads, shares, kept) for name, shares in within.items()},
        "percentile_99_ms": {name: _medians(runs, name, _percentile_99) for name in within},
        "server_cpu_ms": {name: _medians(runs, name, lambda run: run.server_cpu_ms) for name in within},
        "generator_cpu_us": float(np.median(_medians(runs, CHAIN, lambda run: run.generator.cpu_us))),
        "servers": words,
        "ways": {name: way_of(line) for name, line in words.items()},
        "goodput_ratio": goodput_ratio,
        "offline_speedup": offline["speedup"],
        "serving_over_offline": goodput_ratio.value / offline["speedup"],
    }


def _at_all_loads(opened: Opened, settings: LoadSettings, turns: Turns, loads: Any) -> dict[str, list[LoadSummary]]:
    """Both servers at each load in turn: in every other block from the greatest load down."""
    order = loads if settings.seed % 2 else loads[::-1]
    found = dict[float, dict[str, LoadSummary]]()
    for qps in order.tolist():
        turns.run(dict.fromkeys(opened.targets, qps), lambda _: None)
        found[qps] = {name: t.summarise(opened.queries, settings, qps=qps) for name, t in opened.targets.items()}
    return {name: [found[qps][name] for qps in loads.tolist()] for name in opened.targets}


def held_load(loads: Any, within: Any, kept: float) -> float:
    """Return the greatest load at which enough queries are in time in the median block.

    Between the greatest of the loads that were tried and held and the next one the share is taken to be linear.

    Args:
        loads: `[loads]` ascending queries a second.
        within: `[blocks, loads]` share of the queries that were in time.
        kept: share that must be.

    Returns:
        Not a number where none of the loads was held.
    """
    shares = np.median(within, axis=0)
    held = np.flatnonzero(shares >= kept)
    if not len(held):
        return float("nan")
    last = int(held[-1])
    if last == len(loads) - 1:
        return float(loads[last])
    part = (shares[last] - kept) / (shares[last] - shares[last + 1])
    return float(loads[last] + part * (loads[last + 1] - loads[last]))


def _within(run: LoadSummary) -> float:
    return run.within_slo / run.queries


def _percentile_99(run: LoadSummary) -> float:
    found = run.latency.percentiles_ms["99"]
    return float("inf") if found is None else found


def _medians(runs: list[dict[str, list[LoadSummary]]], name: str, value: Callable[[LoadSummary], Any]) -> list[float]:
    """The median over blocks at each load."""
    return [float(each) for each in np.median([[value(run) for run in block[name]] for block in runs], axis=0)]


def way_of(line: str) -> str:
    """Engine and precision in the line of a server that starts, as `ENGINE-PRECISION`."""
    found = WAY.search(line)
    assert found is not None, line
    return f"{found[1]}-{found[2]}"


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": float(np.median(values)), "least": min(values), "most": max(values)}
