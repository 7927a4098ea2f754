"""Prometheus' text format, version 0.0.4, with the names as they are.

prometheus-client's own writer appends `_total` to the name of every counter, in the lines HELP and TYPE; Triton's
counters do not end so.
"""

from collections.abc import Iterable
from math import inf

from prometheus_client import Metric

__all__ = ["CONTENT_TYPE", "number", "to_text"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def to_text(metrics: Iterable[Metric]) -> str:
    """Return metrics as text; those without samples are left out."""
    return "".join(_lines(metric) for metric in metrics if metric.samples)


def number(value: float) -> str:
    """Return a number as the format has it."""
    return "+Inf" if value == inf else repr(float(value))


def _lines(metric: Metric) -> str:
    """HELP, TYPE and samples of one metric."""
    name = metric.samples[0].name if metric.type == "counter" else metric.name
    kind = {"info": "gauge", "unknown": "untyped"}.get(metric.type, metric.type)
    name += "_info" if metric.type == "info" else ""
    lines = [f"# HELP {name} {_escaped(metric.documentation)}", f"# TYPE {name} {kind}"]
    for sample in metric.samples:
        labels = ",".join(f'{key}="{_quoted(value)}"' for key, value in sample.labels.items())
        shown = f"{{{labels}}}" if labels else ""
        lines.append(f"{sample.name}{shown} {number(sample.value)}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
