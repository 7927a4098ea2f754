"""What a server counts, in Prometheus' text format; docs/metrics.md has every name."""

from eerun.serve.metrics.page import metrics_page

__all__ = ["metrics_page"]
