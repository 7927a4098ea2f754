"""Spans of real requests over gRPC, in the SDK's in-memory exporter."""

import sys

import numpy as np
import pytest
import tritonclient.grpc as client
from grpc_on_a_thread import grpc_on_thread
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from tritonclient.utils import InferenceServerException

from eengines.errors import UserError
from eerun.serve.settings import ServeSettings
from eerun.serve.spans import Spans

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def traced(tiny_bundle):
    """A server and where its spans are."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    settings = ServeSettings(
        bundles=(("tiny", tiny_bundle.path),), engine="onnxruntime", threads=2, grpc_port=0, reload_s=0.0
    )
    spans = Spans(provider)
    with grpc_on_thread(settings, observers=[spans]) as server:
        yield server, exporter
    spans.close()


def infer(url, x, **options):
    given = client.InferInput("x", x.shape, "FP32")
    given.set_data_from_numpy(x)
    with client.InferenceServerClient(url) as triton:
        return triton.infer("tiny", [given], **options)


def spans_of(exporter):
    found = {span.name: span for span in exporter.get_finished_spans()}
    exporter.clear()
    return found


def test_a_request_has_a_span_with_queue_and_compute_inside(traced, tiny_bundle):
    server, exporter = traced
    answer = infer(
        server.url, tiny_bundle.x[:9], request_id="r1", headers={"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}
    )
    spans = spans_of(exporter)
    assert set(spans) == {"infer", "queue", "compute"}
    request, queue, compute = spans["infer"], spans["queue"], spans["compute"]
    assert request.kind is SpanKind.SERVER
    assert f"{request.context.trace_id:032x}" == TRACE_ID
    assert f"{request.parent.span_id:016x}" == PARENT_ID
    for inside in (queue, compute):
        assert inside.parent.span_id == request.context.span_id
        assert inside.context.trace_id == request.context.trace_id
    assert request.start_time <= queue.start_time <= queue.end_time == compute.start_time < compute.end_time
    assert compute.end_time == request.end_time
    counts = np.bincount(answer.as_numpy("exit_index"))
    exits = {f"eerun.exit_count.{index}": count for index, count in enumerate(counts.tolist()) if count}
    assert dict(request.attributes) == {
        "eerun.model": "tiny",
        "eerun.version": "1",
        "eerun.request_id": "r1",
        "eerun.transport": "grpc",
        "eerun.samples": 9,
        **exits,
    }
    assert request.status.status_code is StatusCode.UNSET


def test_a_refused_request_has_the_reason(traced):
    server, exporter = traced
    with pytest.raises(InferenceServerException):
        infer(server.url, np.zeros((2, 7), np.float32))
    spans = spans_of(exporter)
    assert set(spans) == {"infer"}
    assert spans["infer"].parent is None
    assert spans["infer"].status.status_code is StatusCode.ERROR
    assert "7" in spans["infer"].status.description
    assert spans["infer"].attributes["error.type"] == "RequestError"
    assert spans["infer"].attributes["eerun.samples"] == 0


def exporters_of(spans):
    processors = spans._provider._active_span_processor._span_processors
    return [processor.span_exporter for processor in processors]


@pytest.fixture
def environment(monkeypatch):
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(("named", "expected"), [(None, ConsoleSpanExporter), ("console", ConsoleSpanExporter)])
def test_the_console_where_no_other_exporter_is_installed(environment, named, expected):
    if named is not None:
        environment.setenv("OTEL_TRACES_EXPORTER", named)
    spans = Spans.from_environment()
    assert [type(each) for each in exporters_of(spans)] == [expected]
    spans.close()


def test_none_sends_nothing(environment):
    environment.setenv("OTEL_TRACES_EXPORTER", "none")
    spans = Spans.from_environment()
    assert exporters_of(spans) == []
    spans.close()


def test_the_service_has_the_name_of_the_environment_or_ours(environment):
    environment.setenv("OTEL_TRACES_EXPORTER", "none")
    assert Spans.from_environment()._provider.resource.attributes["service.name"] == "eerun"
    environment.setenv("OTEL_SERVICE_NAME", "digits")
    assert Spans.from_environment()._provider.resource.attributes["service.name"] == "digits"


def test_an_exporter_that_is_not_installed_is_refused(environment):
    environment.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    with pytest.raises(UserError, match=r"got exporter 'zipkin', installed are .*console"):
        Spans.from_environment()


def test_without_the_sdk_one_line_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(UserError, match=r"pip install 'eecompile\[telemetry\]'"):
        Spans.from_environment()
