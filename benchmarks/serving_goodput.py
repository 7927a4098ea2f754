"""Greatest load at the promised latency: chain against whole network in one server, beside the offline speed-up."""

import re
from typing import Any

import numpy as np

from eerun.bench import BenchSettings, run_bench
from eerun.bench.server.run import run_load_test
from eerun.bench.server.settings import LoadSettings

__all__ = ["goodput_figure", "way_of"]

OFFLINE_BATCH = 32
OFFLINE_SHARE = 0.5
FIRST_PROBE = 0.4
"""Share of the slower one's offline throughput with which a search begins."""

WAY = re.compile(r"\((\S+) (\S+), \d+ exits?\)")


def goodput_figure(
    common: dict[str, Any], *, batches: tuple[int, ...], repeats: int, seconds: float, blocks: int, slo_ms: float
) -> dict[str, Any]:
    """Search the greatest load of both servers several times, each time beside a run of the offline bench.

    Args:
        common: fields of `LoadSettings` and `BenchSettings`: bundle, data, engine, precision, threads.
        batches: samples a query.
        repeats: how often, with arrivals of their own.
        seconds: of load of a server in a run that confirms.
        blocks: turns of both servers in such a run.
        slo_ms: the promised latency.

    Returns:
        For each batch the loads of each repetition, the ratio of goodputs, the offline speed-up of the same repetition,
        the ratio of these two, and in which engine and precision chain and whole network ran.
    """
    offline, serving = list[dict[str, Any]](), {batch: list[dict[str, Any]]() for batch in batches}
    for repeat in range(repeats):
        offline.append(_offline(common, seconds * OFFLINE_SHARE, seed=repeat))
        for batch in batches:
            settings = LoadSettings(
                **common, batch=batch, duration_s=seconds, blocks=blocks, slo_ms=slo_ms, seed=repeat
            )
            serving[batch].append(_serving(settings, offline[-1]))
            print(f"{batch} a query, {repeat + 1} of {repeats}: {serving[batch][-1]}")
    return {
        "slo_ms": slo_ms,
        "offline_batch": OFFLINE_BATCH,
        "offline": offline,
        "offline_speedup": _spread([run["speedup"] for run in offline]),
        "batches": {
            str(batch): {
                "repeats": runs,
                "goodput_ratio": _spread([run["goodput_ratio"] for run in runs]),
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
    result = run_load_test(settings, lambda _: None, start_samples_per_s=start)
    chain, whole = (result.servers[name] for name in ("chain", "whole"))
    ratio = chain.goodput_qps / whole.goodput_qps
    return {
        "qps": {name: run.qps for name, run in result.servers.items()},
        "goodput_qps": {"chain": chain.goodput_qps, "whole": whole.goodput_qps},
        "percentile_99_ms": {name: run.latency.percentiles_ms["99"] for name, run in result.servers.items()},
        "valid": {name: run.constraints.valid for name, run in result.servers.items()},
        "server_cpu_ms": {name: run.server_cpu_ms for name, run in result.servers.items()},
        "generator_cpu_us": chain.generator.cpu_us,
        "servers": {name: run.server for name, run in result.servers.items()},
        "ways": {name: way_of(run.server) for name, run in result.servers.items()},
        "goodput_ratio": ratio,
        "offline_speedup": offline["speedup"],
        "serving_over_offline": ratio / offline["speedup"],
        "warnings": result.warnings,
    }


def way_of(line: str) -> str:
    """Engine and precision in the line of a server that starts, as `ENGINE-PRECISION`."""
    found = WAY.search(line)
    assert found is not None, line
    return f"{found[1]}-{found[2]}"


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": float(np.median(values)), "least": min(values), "most": max(values)}
