"""Refilling batches between segments, on against off: the same bundle and arrivals, in turns, at two loads."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from eerun.bench.server.load_generator import LoadGenerator
from eerun.bench.server.load_result import LoadSummary
from eerun.bench.server.open_targets import start_servers
from eerun.bench.server.settings import LoadSettings
from eerun.bench.server.turns_of_servers import Turns
from eerun.bench.statistics import bootstrap

__all__ = ["refill_figure"]

SERVERS = {"refill": (), "no_refill": ("--max-hold-us", "0")}
PATIENCE_S = 20.0


def refill_figure(settings: LoadSettings, *, capacity_qps: float, shares: Mapping[str, float]) -> dict[str, Any]:
    """Drive both at shares of the capacity.

    Args:
        settings: of the load; `qps` is left open.
        capacity_qps: the greatest load that the chain held.
        shares: share of it by name.

    Returns:
        For each load goodput, completed queries a second, latency and CPU of both, and the ratio of goodputs.
    """
    with ExitStack() as stack:
        opened = start_servers(settings, stack, SERVERS)
        bodies = opened.queries.bodies
        generator = stack.enter_context(LoadGenerator(bodies, connections=settings.connections, patience_s=PATIENCE_S))
        found = {}
        for name, share in shares.items():
            chosen = replace(settings, qps=share * capacity_qps)
            loads = dict.fromkeys(SERVERS, share * capacity_qps)
            Turns(opened.targets, generator, opened.queries, chosen).run(loads, lambda _: None)
            runs = {
                server: target.summarise(opened.queries, chosen, qps=loads[server])
                for server, target in opened.targets.items()
            }
            found[name] = {
                "qps": share * capacity_qps,
                "goodput_ratio": _ratio(runs, seed=settings.seed),
                **{server: _figures(run) for server, run in runs.items()},
            }
    return found


def _ratio(runs: Mapping[str, LoadSummary], *, seed: int) -> Any:
    """Goodput with refill by goodput without, over blocks; None: there was none without."""
    on, off = (np.array([block.goodput_qps for block in runs[name].blocks]) for name in SERVERS)
    if not off.all():
        return None
    return bootstrap(len(on), lambda pick: float(on[pick].sum() / off[pick].sum()), seed=seed)


def _figures(run: LoadSummary) -> dict[str, Any]:
    return {
        "goodput_qps": run.goodput_qps,
        "completed_qps": run.completed_qps,
        "percentiles_ms": run.latency.percentiles_ms,
        "server_cpu_ms": run.server_cpu_ms,
        "refused": run.refused,
        "segments": run.segments,
        "blocks": run.blocks,
    }
