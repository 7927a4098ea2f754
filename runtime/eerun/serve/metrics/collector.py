"""Reads what the models have counted when somebody asks: requests themselves pay nothing for metrics."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from eerun.scheduler import Snapshot
from eerun.serve.metrics.of_model import write_counters, write_now, write_watched_counters, write_watched_now
from eerun.serve.metrics.sheet import Sheet
from eerun.serve.repository import Repository, Served
from eerun.shadow import Metrics

__all__ = ["ModelCollector"]

NOBODY_LEAVES = float("inf")


class ModelCollector(Collector):
    """Collects `FAMILIES` of every model that is served.

    Args:
        repository: the models.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def collect(self) -> Iterator[Metric]:
        """Return what was counted so far."""
        sheet = Sheet()
        for name in self._repository.names():
            served = self._repository.get(name)
            _write_model(sheet, served)
            for each in self._repository.ended(name):
                if each.version != served.version:
                    _write_grown(sheet, (name, each.version), each.seen, each.watched)
            state = self._repository.reload_state(name)
            sheet.add("ee_reload_count", state.reloads, name)
            sheet.add("ee_reload_failure_count", state.reload_failures, name)
        for (name, reason), count in self._repository.counts.failures().items():
            sheet.add("nv_inference_request_failure", count, name, "", reason)
        yield from sheet.metrics()


def _write_model(sheet: Sheet, served: Served) -> None:
    """Write all that is known of a model that serves."""
    labels, model = (served.name, served.version), served.model
    seen, watched = model.statistics(), model.metrics
    _write_grown(sheet, labels, seen, watched)
    write_now(sheet, labels, seen)
    if watched is not None:
        write_watched_now(sheet, labels, watched)
    thresholds = [NOBODY_LEAVES if value is None else value for value in model.thresholds]
    sheet.add_each("ee_threshold", thresholds, labels, seen.exits[: len(thresholds)])
    sheet.add("ee_bundle_info", 1, *labels, model.engine, model.precision, served.bundle_sha256)


def _write_grown(sheet: Sheet, labels: tuple[str, str], seen: Snapshot, watched: Metrics | None) -> None:
    """Write the counters, which are the same when the version serves no more."""
    write_counters(sheet, labels, seen)
    if watched is not None:
        write_watched_counters(sheet, labels, watched)
