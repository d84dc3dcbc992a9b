"""A trace context that comes with a request is linked to, and not continued."""

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import HealthCheck, given, settings
from opentelemetry import trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis.observability.tracing import current_traceparent
from chassis.web.foreign_traces import ForeignTraces, describe_request
from testkit.hostile import HEADER_VALUES

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


@pytest.fixture
def spans() -> Iterator[tuple[httpx.AsyncClient, InMemorySpanExporter]]:
    """A client on a traced app that answers the trace it is in, and the spans that were recorded."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = FastAPI()

    @app.get("/here")
    async def here(request: Request) -> list[str]:
        return [str(current_traceparent()), *request.headers.keys()]

    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=provider,
        server_request_hook=describe_request,
        exclude_spans=["receive", "send"],
    )
    transport = httpx.ASGITransport(ForeignTraces(app))
    yield httpx.AsyncClient(transport=transport, base_url="http://things"), exporter
    FastAPIInstrumentor.uninstrument_app(app)


async def test_a_request_has_a_trace_of_its_own_that_links_to_the_clients(
    spans: tuple[httpx.AsyncClient, InMemorySpanExporter],
) -> None:
    http, exporter = spans
    headers = {"traceparent": TRACEPARENT, "tracestate": "a=b", "baggage": "customer=ada"}
    answer = (await http.get("/here", headers=headers)).json()
    assert TRACE_ID not in answer[0]
    assert answer[0].startswith("00-")
    assert headers.keys().isdisjoint(answer[1:])
    (span,) = exporter.get_finished_spans()
    assert span.parent is None
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [TRACE_ID]


async def test_a_span_has_the_path_of_a_request_and_not_its_query(
    spans: tuple[httpx.AsyncClient, InMemorySpanExporter],
) -> None:
    http, exporter = spans
    await http.get("/here", params={"customer_id": "ada"})
    (span,) = exporter.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["http.url"] == "http://things/here"
    assert "ada" not in str(dict(span.attributes))


@pytest.mark.parametrize("wrong", ["", "00", "00-0-0-00", "ü", "00-" + "f" * 400])
async def test_a_traceparent_that_cannot_be_read_is_no_error_and_no_link(
    spans: tuple[httpx.AsyncClient, InMemorySpanExporter], wrong: str
) -> None:
    http, exporter = spans
    answer = await http.get("/here", headers={b"traceparent": wrong.encode("latin-1")})
    assert answer.status_code == 200
    (span,) = exporter.get_finished_spans()
    assert span.links == ()


async def test_a_client_that_says_not_sampled_does_not_switch_tracing_off(
    spans: tuple[httpx.AsyncClient, InMemorySpanExporter],
) -> None:
    http, exporter = spans
    await http.get("/here", headers={"traceparent": TRACEPARENT[:-2] + "00"})
    (span,) = exporter.get_finished_spans()
    assert span.context is not None
    assert span.context.trace_flags.sampled
    assert trace.get_current_span() is trace.INVALID_SPAN


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(host=HEADER_VALUES, user_agent=HEADER_VALUES)
async def test_any_bytes_of_a_header_that_tracing_reads_are_no_error(
    spans: tuple[httpx.AsyncClient, InMemorySpanExporter], host: bytes, user_agent: bytes
) -> None:
    http, exporter = spans
    exporter.clear()
    answer = await http.get("/here", headers=[(b"Host", host), (b"User-Agent", user_agent)])
    assert answer.status_code == 200
    (span,) = exporter.get_finished_spans()
    for value in (span.attributes or {}).values():
        str(value).encode()
