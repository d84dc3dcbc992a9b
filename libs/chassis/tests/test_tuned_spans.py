"""`chassis.tuning.message_spans` and `span_encoding`: what is sent is what the SDK would send, for less CPU.

Each tuning has a test that fails when it has no effect any more. What they save is measured by `shop bench`.
"""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import pytest
from fastapi import APIRouter
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.trace import SpanKind, Status, StatusCode
from pydantic import SecretStr

from chassis.observability import tracing
from chassis.observability.tracing import MessageIds
from chassis.service import build_service
from chassis.settings import ServiceSettings
from chassis.tuning import span_encoding
from chassis.tuning.message_spans import PreparedSpan, prepared_spans
from libs.chassis.tests.tracing_doubles import Exporting, message_span

KINDS = [SpanKind.PRODUCER, SpanKind.CONSUMER]


@pytest.fixture
def exporting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exporting]:
    """Where spans go; they are started in the SDK's way until `tune` is called."""
    exporting = Exporting(monkeypatch)
    yield exporting
    exporting.provider.shutdown()


def tune(exporting: Exporting) -> None:
    tracing.start_message_spans_with(prepared_spans(exporting.pipeline))


def ended(span: Any) -> Any:
    """The span, after it has failed and ended."""
    span.set_status(Status(StatusCode.ERROR, "Boom"))
    span.end()
    return span


def on_the_wire(span: ReadableSpan) -> Span:
    """The span as it is sent, without what differs from one span to the next."""
    (resource,) = encode_spans([span]).resource_spans
    (scope,) = resource.scope_spans
    assert scope.scope.name == "chassis"
    (sent,) = scope.spans
    assert len(sent.span_id) == 8
    assert 0 < sent.start_time_unix_nano <= sent.end_time_unix_nano
    for field in ("span_id", "start_time_unix_nano", "end_time_unix_nano"):
        sent.ClearField(field)
    return sent


@pytest.mark.parametrize("kind", KINDS)
def test_a_messages_span_is_sent_as_the_sdks_own_would_be(kind: SpanKind, exporting: Exporting) -> None:
    """Fails too when the spans of messages are the SDK's own, so that `message_spans` has no effect."""
    by_the_sdk = ended(message_span(kind))
    assert isinstance(by_the_sdk, SdkSpan)
    tune(exporting)
    whole = ended(message_span(kind))
    assert isinstance(whole, PreparedSpan)
    assert not isinstance(whole, SdkSpan)
    theirs, ours = exporting.exporter.get_finished_spans()
    assert on_the_wire(ours) == on_the_wire(theirs)
    assert ours.attributes == theirs.attributes
    assert ours.resource == theirs.resource
    assert ours.context is not None
    assert theirs.context is not None
    assert ours.context.span_id != theirs.context.span_id


def various_spans(exporting: Exporting) -> Sequence[ReadableSpan]:
    """Spans of messages of two names, with and without an error, and spans of two other scopes between them."""
    for number, kind in enumerate([SpanKind.PRODUCER, *[SpanKind.CONSUMER] * 3]):
        ids = MessageIds(f"things.thing.v{number}", UUID(int=number), f"order-{number}")
        span = message_span(kind, ids, f"00-{number + 1:032x}-{number + 1:016x}-01")
        if number in (1, 3):
            span.set_status(Status(StatusCode.ERROR, "Boom"))
        span.end()
        exporting.provider.get_tracer("chassis").start_span("process things.counted.v1").end()
        exporting.provider.get_tracer("another").start_span(f"GET {number}").end()
    return exporting.exporter.get_finished_spans()


def sent(request: Any) -> list[bytes]:
    """Each span of a request, with the resource and the scope that it is of."""
    return [
        resource.resource.SerializeToString() + scope.scope.SerializeToString() + span.SerializeToString()
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def test_a_batch_of_spans_is_sent_as_the_sdk_would_send_it(exporting: Exporting) -> None:
    tune(exporting)
    spans = various_spans(exporting)
    assert len(spans) == 12
    assert sorted(sent(encode_spans(spans))) == sorted(sent(span_encoding.encode(spans)))
    assert span_encoding.encode(spans[1:3]) == encode_spans(spans[1:3])


def test_spans_that_the_sdk_has_started_are_encoded_by_the_sdk(exporting: Exporting) -> None:
    spans = various_spans(exporting)
    assert len(spans) == 12
    assert span_encoding.encode(spans) == encode_spans(spans)


def test_the_exporter_asks_for_each_name_of_messages_once(
    exporting: Exporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when the exporter does not use the replaced encoder any more: then `span_encoding` has no effect."""
    encoded: list[int] = []

    def counting(spans: Sequence[ReadableSpan]) -> Any:
        encoded.append(len(spans))
        return encode_spans(spans)

    monkeypatch.setattr(span_encoding, "encode_spans", counting)
    monkeypatch.setattr(trace_exporter, "encode_spans", encode_spans)  # put back with the test
    span_encoding.encode_by_copies()
    tune(exporting)
    for _ in range(10):
        for kind in KINDS:
            message_span(kind).end()
    spans = exporting.exporter.get_finished_spans()
    assert len(spans) == 20
    # No collector listens there.
    OTLPSpanExporter("http://127.0.0.1:1", timeout=0.01).export(spans)
    assert encoded == [2]


@pytest.mark.parametrize(
    ("tuning_off", "is_whole", "is_copied"),
    [
        ("", True, True),
        ("span_encoding", True, False),
        ("message_spans", False, False),
        ("all", False, False),
    ],
)
def test_the_tunings_of_spans_can_be_switched_off(
    exporting: Exporting,
    monkeypatch: pytest.MonkeyPatch,
    tuning_off: str,
    is_whole: bool,
    is_copied: bool,
) -> None:
    monkeypatch.setattr(tracing, "configure_tracing", lambda service: exporting.pipeline)
    monkeypatch.setattr(trace_exporter, "encode_spans", encode_spans)
    build_service(
        ServiceSettings(
            service_name="things",
            database_url=SecretStr("postgresql://nowhere/things"),
            kafka_bootstrap_servers="127.0.0.1:1",
            tuning_off=tuning_off,
        ),
        router=APIRouter(),
    )
    assert isinstance(message_span(SpanKind.CONSUMER), PreparedSpan) is is_whole
    encoder: Any = getattr(trace_exporter, "encode_spans")  # noqa: B009  a name that the SDK does not export
    assert (encoder is span_encoding.encode) is is_copied
