"""The figures of serving as a table."""

from typing import Any

from eerun.bench.statistics import Estimate
from eerun.bench.table import aligned

__all__ = ["serving_lines"]

GOAL_SERVING, GOAL_SCHEDULER = 0.95, 0.03


def serving_lines(found: dict[str, Any]) -> list[str]:
    """Return a table of the figures that were measured: what, value, spread, and the goal where there is one."""
    rows = [("figure", "value", "from", "to", "goal")]
    if "goodput" in found:
        rows += _goodput(found["goodput"])
    if "overhead" in found:
        rows += _overhead(found["overhead"])
    if "refill" in found:
        rows += _refill(found["refill"])
    return aligned(rows)


def _goodput(figure: dict[str, Any]) -> list[tuple[str, ...]]:
    rows = [_ways("offline", figure["offline"]), _spread("offline speed-up, batch 32", figure["offline_speedup"])]
    for batch, runs in figure["batches"].items():
        words = f"{batch} a query"
        rows.append(_ways(words, [run["ways"] for run in runs["repeats"]]))
        rows.append(_spread(f"goodput chain/whole, {words}", runs["goodput_ratio"]))
        rows.append(_spread(f"serving/offline, {words}", runs["serving_over_offline"], goal=f">= {GOAL_SERVING}"))
    return rows


def _overhead(figure: dict[str, Any]) -> list[tuple[str, ...]]:
    scheduler, transport = figure["scheduler"], figure["transport"]
    names = ("rest_over_echo_loop_cpu_us", "rest_over_echo_latency_us", "grpc_over_echo_loop_cpu_us")
    goal, rows = f"<= {GOAL_SCHEDULER}", list[tuple[str, ...]]()
    for batch, saturated in scheduler.items():
        words = f"share of CPU, {batch} a call"
        rows.append(_estimate(f"scheduler, {words}", saturated["scheduler_share"], digits=4, goal=goal))
        rows.append(_estimate(f"submit, {words}", saturated["submit_share"], digits=4))
    return [
        *rows,
        *(_estimate(name.replace("_", " "), transport[name], digits=1) for name in names),
        ("time in the model, us", f"{transport['in_model_us']:.1f}", "", "", ""),
    ]


def _refill(figure: dict[str, Any]) -> list[tuple[str, ...]]:
    rows = []
    for load, runs in figure.items():
        if not isinstance(runs, dict):
            continue
        words = load.replace("_", " ")
        if runs["goodput_ratio"] is not None:
            rows.append(_estimate(f"refill on/off, goodput, {words}", runs["goodput_ratio"]))
        for name in ("refill", "no_refill"):
            percentile, cpu = runs[name]["percentiles_ms"]["99"], runs[name]["server_cpu_ms"]
            latency = "no answer" if percentile is None else f"{percentile:.1f} ms"
            rows.append((f"{name.replace('_', ' ')}, {words}: p99, CPU a query", latency, f"{cpu:.2f} ms", "", ""))
    return rows


def _ways(words: str, runs: list[dict[str, Any]]) -> tuple[str, ...]:
    """Where chain and whole network ran: of each the engines and precisions of all repetitions."""
    chain, whole = (", ".join(sorted({run[name] for run in runs})) for name in ("chain", "whole"))
    return f"chain / whole, {words}", f"{chain} / {whole}", "", "", ""


def _spread(name: str, spread: dict[str, float], goal: str = "") -> tuple[str, ...]:
    return name, f"{spread['median']:.3f}", f"{spread['least']:.3f}", f"{spread['most']:.3f}", goal


def _estimate(name: str, estimate: Estimate, *, digits: int = 3, goal: str = "") -> tuple[str, ...]:
    return (name, *(f"{value:.{digits}f}" for value in (estimate.value, estimate.low, estimate.high)), goal)
