"""Drive servers in turns: block by block, never at once, and in each block with the same arrivals."""

from collections.abc import Callable, Mapping
from time import sleep

from eerun.bench.server.load_generator import LoadGenerator
from eerun.bench.server.load_result import Probe
from eerun.bench.server.queries import Queries
from eerun.bench.server.schedule import make_schedule, queries_of
from eerun.bench.server.search import RESOLUTION, Search
from eerun.bench.server.settings import LoadSettings
from eerun.bench.server.summarise_load import share_within
from eerun.bench.server.target import Target
from eerun.bench.turns import SETTLE_S, turn_order

__all__ = ["START_SAMPLES_PER_S", "Turns", "probe_s"]

PROBE_SHARE, MOST_PROBE_S = 1 / 15, 5.0
"""A probe lasts so much of the run that confirms it, within bounds."""

START_SAMPLES_PER_S, ATTEMPTS = 32.0, 2
PROBE_BLOCK = 1_000_000
"""Number of the first probe's block, far from those of the run: other arrivals."""


def probe_s(duration_s: float, *, slo_ms: float) -> float:
    """Return how many seconds a probe lasts: long enough for a load that is just too great to be seen as such.

    A load of 2 % above what a server can do, which is the resolution of the search, makes the queue 2 % of the time
    longer that it lasts, so that it takes fifty times the promised latency until an answer is late.

    Args:
        duration_s: seconds of the run that confirms the load; no probe is longer.
        slo_ms: the promised latency.
    """
    seen_s = slo_ms / 1000 / (RESOLUTION - 1)
    return min(max(duration_s * PROBE_SHARE, seen_s), duration_s, MOST_PROBE_S)


class Turns:
    """All servers of a load test.

    Args:
        targets: the servers, by name.
        generator: the load generator.
        queries: what is sent.
        settings: what the user chose.
    """

    def __init__(
        self, targets: Mapping[str, Target], generator: LoadGenerator, queries: Queries, settings: LoadSettings
    ) -> None:
        self._targets, self._generator = targets, generator
        self._queries, self._settings = queries, settings

    def run(self, qps: Mapping[str, float], progress: Callable[[float], None]) -> None:
        """Run all blocks of all servers, each at its load; blocks of an earlier run are dropped."""
        for target in self._targets.values():
            target.forget()
        blocks, names = self._settings.blocks, [*self._targets]
        for block in range(blocks):
            for place, name in enumerate(turn_order(names, block)):
                count = queries_of(
                    qps[name],
                    duration_s=self._settings.duration_s,
                    min_queries=self._settings.min_queries,
                    blocks=blocks,
                )
                self._block(name, qps[name], count, block)
                progress((block + (place + 1) / len(names)) / blocks)

    def search(
        self, told: Callable[[Probe], None], *, start_samples_per_s: float = START_SAMPLES_PER_S
    ) -> dict[str, float]:
        """Return for each server the greatest load that held in short runs; 0: none did.

        A probe that fails is tried once more with other arrivals, since one pause of the machine is enough to fail it;
        the run that confirms the load has no such mercy.
        """
        searches = {name: Search(start_samples_per_s / self._settings.batch) for name in self._targets}
        turn = 0
        while not all(search.done for search in searches.values()):
            for name in turn_order([*searches], turn):
                if not searches[name].done:
                    searches[name].tell(valid=self._holds(name, searches[name].qps, turn, told))
            turn += 1
        return {name: search.held for name, search in searches.items()}

    def _holds(self, name: str, qps: float, turn: int, told: Callable[[Probe], None]) -> bool:
        for attempt in range(ATTEMPTS):
            probe = self._probe(name, qps, PROBE_BLOCK + turn * ATTEMPTS + attempt)
            told(probe)
            if probe.valid:
                return True
        return False

    def _probe(self, name: str, qps: float, block: int) -> Probe:
        settings = self._settings
        seconds = probe_s(settings.duration_s, slo_ms=settings.slo_ms)
        count = queries_of(qps, duration_s=seconds, min_queries=settings.min_queries, blocks=1)
        within = self._block(name, qps, count, block)
        return Probe(server=name, qps=qps, within_slo=within, valid=within * 100 >= settings.percentile)

    def _block(self, name: str, qps: float, queries: int, block: int) -> float:
        """Run one block and return the share of queries within the promised latency."""
        settings = self._settings
        schedule = make_schedule(
            qps,
            queries=queries,
            encoded=len(self._queries.bodies),
            warm_up_s=settings.warm_up_ms / 1000,
            seed=settings.seed,
            block=block,
        )
        sleep(SETTLE_S)
        recorded = self._targets[name].drive(self._generator, self._queries, schedule)
        return share_within(recorded, settings.slo_ns)
