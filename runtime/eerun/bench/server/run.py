"""One load test from settings to result."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack

import numpy as np

from eengines.errors import EngineError
from eerun.bench.environment import environment
from eerun.bench.server.load_generator import LoadGenerator
from eerun.bench.server.load_result import LoadResult, LoadSummary, Probe
from eerun.bench.server.load_warnings import load_warnings
from eerun.bench.server.open_targets import CHAIN, WHOLE, Opened, open_targets
from eerun.bench.server.settings import LoadSettings
from eerun.bench.server.turns_of_servers import START_SAMPLES_PER_S, Turns
from eerun.bench.statistics import Estimate, bootstrap

__all__ = ["confirm", "goodput_ratio", "run_load_test", "search"]

FORMAT = "eerun.bench.server/1.0"

PATIENCE_S, PATIENCE_SLOS = 5.0, 20.0
"""The load generator waits for answers at least so long, and so many times the promised latency."""

CONFIRMATIONS = 6
STEP_BACK = 0.97
"""A load that held in short runs but not in the long one is lowered so far, and tried again."""

SEARCH_SHARE, LIKELY_PROBES = 0.5, 30


def run_load_test(
    settings: LoadSettings,
    progress: Callable[[float], None],
    *,
    start_samples_per_s: float = START_SAMPLES_PER_S,
) -> LoadResult:
    """Drive the servers.

    Args:
        settings: what the user chose.
        progress: called with the share of the run that is over; it should return quickly.
        start_samples_per_s: load with which a search begins; a good guess saves its slow first probes.

    Raises:
        UserError: settings or data cannot be used.
        BundleError: the bundle is damaged.
        EngineError: a server does not start, or does not hold the least load.
    """
    probes = list[Probe]()
    with ExitStack() as stack:
        opened = open_targets(settings, stack)
        patience_s = max(PATIENCE_S, PATIENCE_SLOS * settings.slo_ms / 1000)
        bodies, connections = opened.queries.bodies, settings.connections
        generator = stack.enter_context(LoadGenerator(bodies, connections=connections, patience_s=patience_s))
        turns = Turns(opened.targets, generator, opened.queries, settings)
        if settings.qps is None:
            loads = search(turns, probes, progress, start_samples_per_s=start_samples_per_s)
            servers = confirm(opened, turns, loads, settings, progress)
        else:
            servers = _driven(opened, turns, dict.fromkeys(opened.targets, settings.qps), settings, progress)
    return LoadResult(
        format=FORMAT,
        environment=environment(),
        settings=settings.without_folders(),
        servers=servers,
        goodput_ratio=goodput_ratio(servers, seed=settings.seed),
        probes=tuple(probes),
        warnings=(*opened.warnings, *load_warnings(servers)),
    )


def _driven(
    opened: Opened,
    turns: Turns,
    loads: Mapping[str, float],
    settings: LoadSettings,
    progress: Callable[[float], None],
) -> dict[str, LoadSummary]:
    """Run all blocks, each server at its load."""
    turns.run(loads, progress)
    return {
        name: target.summarise(opened.queries, settings, qps=loads[name]) for name, target in opened.targets.items()
    }


def confirm(
    opened: Opened,
    turns: Turns,
    loads: dict[str, float],
    settings: LoadSettings,
    progress: Callable[[float], None],
) -> dict[str, LoadSummary]:
    """Run all blocks at the loads that were found, and again at lower ones while a server does not hold its own."""
    for _ in range(CONFIRMATIONS):
        servers = _driven(opened, turns, loads, settings, lambda share: progress(SEARCH_SHARE * (1 + share)))
        failed = [name for name, summary in servers.items() if not summary.constraints.performance]
        if not failed:
            break
        loads = {name: qps * STEP_BACK if name in failed else qps for name, qps in loads.items()}
    return servers


def search(
    turns: Turns,
    probes: list[Probe],
    progress: Callable[[float], None],
    *,
    start_samples_per_s: float = START_SAMPLES_PER_S,
) -> dict[str, float]:
    """Find the load of each server."""

    def told(probe: Probe) -> None:
        probes.append(probe)
        progress(SEARCH_SHARE * min(1.0, len(probes) / LIKELY_PROBES))

    loads = turns.search(told, start_samples_per_s=start_samples_per_s)
    for name, qps in loads.items():
        if not qps:
            least = min(probe.qps for probe in probes if probe.server == name)
            problem = f"does not keep the promised latency even at {least:.3g} queries a second"
            raise EngineError(f"server {name!r}", problem, "Give a greater --slo-ms")
    return loads


def goodput_ratio(servers: Mapping[str, LoadSummary], *, seed: int) -> Estimate | None:
    """Return goodput of the chain by that of the whole network; blocks are resampled together.

    Returns:
        None: there are not both, or one has no goodput in some block.
    """
    if CHAIN not in servers or WHOLE not in servers:
        return None
    chain, whole = (np.array([block.goodput_qps for block in servers[name].blocks]) for name in (CHAIN, WHOLE))
    if not whole.all():
        return None
    return bootstrap(len(chain), lambda pick: float(chain[pick].sum() / whole[pick].sum()), seed=seed)
