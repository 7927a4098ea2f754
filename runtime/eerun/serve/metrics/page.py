"""The page `/metrics`."""

from prometheus_client import CollectorRegistry, ProcessCollector

from eerun.serve.metrics.card import CardCollector, runs_on_card
from eerun.serve.metrics.collector import ModelCollector
from eerun.serve.metrics.text import CONTENT_TYPE, to_text
from eerun.serve.repository import Repository

__all__ = ["metrics_page"]


def metrics_page(repository: Repository) -> tuple[str, bytes]:
    """Return what Prometheus reads: content type and text of all metrics at this moment. Any thread may ask.

    Args:
        repository: the models that are served.
    """
    registry = CollectorRegistry()
    registry.register(ModelCollector(repository))
    if runs_on_card(repository):
        registry.register(CardCollector(repository.settings.device))
    ProcessCollector(registry=registry)
    return CONTENT_TYPE, to_text(registry.collect()).encode()
