"""The spans say which release wrote a message, and which release handled it."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

from shop_observe.handled import MESSAGE, OPERATION, UNCERTAIN, Handling, Process, handlings_in
from shop_observe.traces import ORDER
from shop_stack.releases import RELEASE_ATTRIBUTE

OLD = Process("orders", "0.1.0")
NEW = Process("orders", "0.2.0")
READER = Process("payments", "0.1.0")


def export(process: Process, *spans: trace_pb2.Span) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    for name, value in (("service.name", process.service), (RELEASE_ATTRIBUTE, process.release)):
        resource.resource.attributes.add(key=name).value.string_value = value
    resource.scope_spans.add().spans.extend(spans)
    return request


def span(
    number: int, parent: int = 0, operation: str = "", message: str = "", failed: bool = False
) -> trace_pb2.Span:
    made = trace_pb2.Span(
        span_id=number.to_bytes(8),
        parent_span_id=parent.to_bytes(8) if parent else b"",
        name=f"{operation} a.b.v1",
        start_time_unix_nano=number,
    )
    for name, value in ((OPERATION, operation), (MESSAGE, message), (ORDER, f"order of {message}")):
        if value and message:
            made.attributes.add(key=name).value.string_value = value
    if failed:
        made.status.code = trace_pb2.Status.STATUS_CODE_ERROR
    return made


def one_message(
    writer: Process, relay: Process, *, failed: bool = False, since_ns: int = 0
) -> list[Handling]:
    """The handling of the message `m`, which `writer` wrote and `relay` sent."""
    exports = [
        export(READER, span(3, 2, "process", "m", failed)),
        export(writer, span(1)),
        export(relay, span(2, 1, "send", "m")),
    ]
    return handlings_in(exports, since_ns)


def test_a_message_has_the_release_of_its_writer_and_of_its_reader() -> None:
    (found,) = one_message(NEW, NEW)
    assert (found.writer, found.reader, found.failed) == (NEW, READER, False)
    assert (found.event_id, found.order_id, found.name) == ("m", "order of m", "process a.b.v1")


def test_a_message_that_one_release_wrote_and_the_other_sent_has_no_certain_writer() -> None:
    (found,) = one_message(OLD, NEW)
    assert found.writer == Process("orders", UNCERTAIN)


def test_a_message_without_the_span_of_its_writer_has_no_certain_writer() -> None:
    exports = [export(NEW, span(2, 1, "send", "m")), export(READER, span(3, 2, "process", "m"))]
    (found,) = handlings_in(exports)
    assert found.writer == Process("orders", UNCERTAIN)


def test_a_message_that_two_releases_sent_has_no_certain_writer() -> None:
    exports = [
        export(OLD, span(1), span(2, 1, "send", "m")),
        export(NEW, span(4, 1, "send", "m")),
        export(READER, span(5, 2, "process", "m")),
    ]
    (found,) = handlings_in(exports)
    assert found.writer == Process("orders", UNCERTAIN)


def test_a_handling_that_failed_says_so() -> None:
    (found,) = one_message(OLD, OLD, failed=True)
    assert found.failed


def test_handlings_from_before_the_moment_are_left_out() -> None:
    assert one_message(OLD, OLD, since_ns=4) == []
    assert len(one_message(OLD, OLD, since_ns=3)) == 1


def test_a_message_that_has_no_publish_span_is_left_out() -> None:
    assert handlings_in([export(READER, span(3, 2, "process", "m"))]) == []
