"""OpenTelemetry spans of requests: request, and in it queue and compute.

They are made when a request is over, from what was measured anyway. `OTEL_TRACES_EXPORTER` and the other variables of
the SDK say where they go.
"""

import os
from importlib.metadata import entry_points
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Self

from eengines.errors import UserError
from eerun.serve.exchange import Exchange
from eerun.serve.seen import Seen, seen_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

__all__ = ["Spans"]

EXPORTER = "OTEL_TRACES_EXPORTER"
ENTRY_POINTS = "opentelemetry_traces_exporter"
INSTALL = "Run: pip install 'eecompile[telemetry]'"


class Spans:
    """An `Observer`.

    Args:
        provider: makes the spans and sends them; `close` shuts it down.
    """

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("eerun")
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def from_environment(cls) -> Self:
        """Make spans that go where the environment says.

        Raises:
            UserError: the SDK or the exporter is not installed.
        """
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise UserError("otel", "OpenTelemetry's SDK is not installed", INSTALL) from error
        resource = Resource.create()
        if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": "eerun"}))
        provider = TracerProvider(resource=resource)
        for exporter in _exporters():
            provider.add_span_processor(BatchSpanProcessor(exporter))
        return cls(provider)

    def close(self) -> None:
        """Send what is left, and stop."""
        self._provider.shutdown()

    def __call__(self, exchange: Exchange) -> None:
        """Make the spans of a request that is over."""
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        seen, offset = seen_of(exchange), time_ns() - perf_counter_ns()
        ended = exchange.ended_ns + offset
        request = self._tracer.start_span(
            "infer",
            context=self._propagator.extract(dict(exchange.headers)),
            kind=SpanKind.SERVER,
            attributes=_attributes(seen),
            start_time=exchange.accepted_ns + offset,
        )
        if seen.reason:
            request.set_attribute("error.type", seen.reason)
            request.set_status(Status(StatusCode.ERROR, seen.words))
        else:
            inside = set_span_in_context(request)
            ran = ended - seen.compute_ns
            self._tracer.start_span("queue", context=inside, start_time=ran - seen.queue_ns).end(ran)
            self._tracer.start_span("compute", context=inside, start_time=ran).end(ended)
        request.end(ended)


def _attributes(seen: Seen) -> dict[str, str | int]:
    """What a span of a request says, as far as it is known."""
    known = {
        "eerun.model": seen.model,
        "eerun.version": seen.version,
        "eerun.request_id": seen.request_id,
        "eerun.transport": seen.transport,
    }
    exits = {f"eerun.exit_count.{number}": count for number, count in seen.exit_count.items()}
    return {**{name: value for name, value in known.items() if value}, "eerun.samples": seen.samples, **exits}


def _exporters() -> "list[SpanExporter]":
    """Those that the environment names; by default OTLP's where it is installed, else spans are written to the console.

    Raises:
        UserError: one is not installed.
    """
    installed = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    protocol = os.environ.get(
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    )
    otlp = f"otlp_proto_{protocol.partition('/')[0]}"
    default = "otlp" if otlp in installed else "console"
    names = [name.strip() for name in (os.environ.get(EXPORTER) or default).split(",")]
    found = list["SpanExporter"]()
    for name in names:
        if name == "none":
            continue
        entry = installed.get(otlp if name == "otlp" else name)
        if entry is None:
            problem = f"got exporter {name!r}, installed are {', '.join(sorted(installed)) or 'none'}"
            raise UserError(EXPORTER, problem, "Install its package, or name another; `none` sends nothing")
        found.append(entry.load()())
    return found
