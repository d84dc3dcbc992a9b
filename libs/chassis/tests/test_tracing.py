"""Spans of messages: one trace through every service, however the spans are started."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanKind, StatusCode

from chassis.events import Batch, Cause, ConsumedEvent, RawMessage, encode, new_id
from chassis.inbox import Inbox, Subscriptions
from chassis.observability import tracing
from chassis.outbox import Database, Transaction
from chassis.tuning.message_spans import prepared_spans
from libs.chassis.tests.tracing_doubles import (
    EVENT_TYPE,
    IDS,
    NOT_SAMPLED,
    PARENT,
    WRITTEN,
    Exporting,
    message_span,
)

KINDS = [SpanKind.PRODUCER, SpanKind.CONSUMER]


@pytest.fixture(params=["sdk", "prepared_spans"])
def exported(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[InMemorySpanExporter]:
    """Spans that have ended, started in both ways that there are."""
    exporting = Exporting(monkeypatch)
    if request.param == "prepared_spans":
        tracing.start_message_spans_with(prepared_spans(exporting.pipeline))
    yield exporting.exporter
    exporting.provider.shutdown()


@pytest.mark.parametrize(("kind", "operation"), [(SpanKind.PRODUCER, "send"), (SpanKind.CONSUMER, "process")])
def test_a_span_has_the_attributes_of_its_message(
    kind: SpanKind, operation: str, exported: InMemorySpanExporter
) -> None:
    message_span(kind).end()
    (span,) = exported.get_finished_spans()
    assert span.kind is kind
    assert span.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.type": operation,
        "messaging.destination.name": "things.thing.v1",
        "messaging.message.id": str(IDS.event_id),
        "messaging.message.conversation_id": "order-1",
    }


def test_a_publish_span_begins_with_the_write_of_its_row(exported: InMemorySpanExporter) -> None:
    message_span(SpanKind.PRODUCER).end()
    (span,) = exported.get_finished_spans()
    assert span.start_time == WRITTEN
    assert span.end_time is not None
    assert span.end_time > WRITTEN


@pytest.mark.parametrize("kind", KINDS)
def test_a_span_continues_the_trace_of_its_message(kind: SpanKind, exported: InMemorySpanExporter) -> None:
    span = message_span(kind)
    traceparent = tracing.traceparent_of(span)
    assert traceparent is not None
    version, trace_id, span_id, flags = traceparent.split("-")
    assert (version, trace_id, flags) == ("00", PARENT.split("-")[1], "01")
    assert span_id != PARENT.split("-")[2]
    span.end()
    (ended,) = exported.get_finished_spans()
    assert ended.parent is not None
    assert f"{ended.parent.span_id:016x}" == PARENT.split("-")[2]


def test_a_trace_that_is_not_sampled_costs_no_span_and_goes_on(exported: InMemorySpanExporter) -> None:
    span = message_span(SpanKind.CONSUMER, parent=NOT_SAMPLED)
    span.end()
    assert exported.get_finished_spans() == ()
    assert tracing.traceparent_of(span) == NOT_SAMPLED


class Counted(ConsumedEvent, type="things.thing-counted.v1", topic="things.thing.v1"):
    name: str


async def test_an_event_that_follows_one_that_is_not_sampled_is_not_sampled_either(db: Database) -> None:
    causes: list[Cause] = []

    async def count(tx: Transaction, events: Batch[Counted]) -> None:
        causes.extend(event.cause for event in events)

    event_id = new_id()
    cause = Cause(None, IDS.correlation_id, NOT_SAMPLED)
    headers = encode(event_id, "/things", Counted.event_type, "a", datetime.now(UTC), cause)
    message = RawMessage(Counted.topic, (0, 0), b"a", b'{"name": "a"}', headers)
    await Inbox(db, "things", Subscriptions({Counted: count})).process([message])
    assert causes == [Cause(event_id, IDS.correlation_id, NOT_SAMPLED)]


@pytest.mark.parametrize("parent", [None, "", "00-zz-zz-01"])
def test_a_message_without_a_trace_begins_one(parent: str | None, exported: InMemorySpanExporter) -> None:
    message_span(SpanKind.PRODUCER, parent=parent).end()
    (span,) = exported.get_finished_spans()
    assert span.parent is None
    assert (span.name, span.kind) == (f"publish {EVENT_TYPE}", SpanKind.PRODUCER)


def test_with_links_a_consumer_begins_a_trace_that_points_back(
    exported: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "_LINKS", True)
    message_span(SpanKind.PRODUCER).end()
    message_span(SpanKind.CONSUMER).end()
    published, processed = exported.get_finished_spans()
    _, trace_id, span_id, _ = PARENT.split("-")
    remote = trace.SpanContext(int(trace_id, 16), int(span_id, 16), True, trace.TraceFlags(1))
    assert (published.parent, list(published.links)) == (remote, [])
    assert processed.parent is None
    assert [link.context for link in processed.links] == [remote]


def test_an_error_marks_all_spans_by_its_class_alone(exported: InMemorySpanExporter) -> None:
    spans = [message_span(kind) for kind in KINDS]
    with pytest.raises(ValueError, match="secret"), tracing.ended_together(spans):
        raise ValueError("a secret")
    ended: Sequence[Any] = exported.get_finished_spans()
    assert [span.status.status_code for span in ended] == [StatusCode.ERROR] * 2
    assert [span.status.description for span in ended] == ["ValueError"] * 2


@pytest.mark.parametrize(
    "environment", [{}, {"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://nowhere"}]
)
def test_without_an_endpoint_or_with_the_sdk_disabled_no_span_is_recorded(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert tracing.configure_tracing("things") is None
    span = message_span(SpanKind.CONSUMER)
    assert isinstance(span, NonRecordingSpan)
    assert tracing.traceparent_of(span) == PARENT


@pytest.mark.parametrize(("told", "size"), [(None, 16_384), ("1000", 1_000)])
def test_the_queue_of_spans_is_long_unless_its_variable_is_set(
    monkeypatch: pytest.MonkeyPatch, told: str | None, size: int
) -> None:
    monkeypatch.setattr(tracing, "_pipelines", {})
    monkeypatch.setattr(trace, "set_tracer_provider", lambda _: None)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "things")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", told or "")
    if told is None:
        monkeypatch.delenv("OTEL_BSP_MAX_QUEUE_SIZE")
    pipeline = tracing.configure_tracing("things")
    assert pipeline is not None
    assert tracing.configure_tracing("things") is pipeline
    processor: Any = pipeline.processor
    assert processor._batch_processor._queue.maxlen == size
    assert "OTEL_BSP_MAX_EXPORT_BATCH_SIZE" not in os.environ
    tracing.end_tracing()
