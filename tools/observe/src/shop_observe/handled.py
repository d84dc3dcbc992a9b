"""Which release wrote each message, and which release handled it: read from the spans.

Each process names its release in its spans (`service.version`). The relay's publish span continues the span of the
code that wrote the event, and the consumer's process span has the same message id. So a message is one row: who wrote
it, who handled it, and whether the handling failed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

from shop_observe.traces import ORDER, requests, value_of
from shop_stack.releases import RELEASE_ATTRIBUTE

OPERATION = "messaging.operation.type"
MESSAGE = "messaging.message.id"
UNCERTAIN = ""
"""The release of a message of which two releases may be the writer."""


class Process(NamedTuple):
    """A service and one of its releases."""

    service: str
    release: str


@dataclass(frozen=True, slots=True)
class Handling:
    """One try to handle one message."""

    event_id: str
    order_id: str
    """The order that the message belongs to; empty if it names none."""
    name: str
    """Such as ``process orders.order-placed.v1``."""
    writer: Process
    """Its release is UNCERTAIN if the spans do not say clearly which one wrote the event."""
    reader: Process
    failed: bool
    began_ns: int
    """Nanoseconds since the epoch."""


@dataclass(slots=True)
class _Spans:
    """The spans by their ids, and those of messages."""

    process_of: dict[bytes, Process] = field(default_factory=dict)
    """Span id → the process that recorded it."""
    published: dict[str, list[tuple[Process, bytes]]] = field(default_factory=dict)
    """Event id → (the process that sent it, the id of the writer's span)."""
    handled: list[tuple[Process, trace_pb2.Span, dict[str, str]]] = field(default_factory=list)


def handlings(folder: Path, since_ns: int = 0) -> list[Handling]:
    """Every try to handle a message that began at `since_ns` or later, oldest first. `folder` has the spans."""
    return handlings_in(requests(folder), since_ns)


def handlings_in(exports: Iterable[ExportTraceServiceRequest], since_ns: int = 0) -> list[Handling]:
    """The same, of these export requests. A message whose publish span is not among them is left out."""
    spans = _read(exports, since_ns)
    found = []
    for reader, span, attributes in spans.handled:
        sent = spans.published.get(attributes[MESSAGE])
        if sent:
            found.append(
                Handling(
                    event_id=attributes[MESSAGE],
                    order_id=attributes.get(ORDER, ""),
                    name=span.name,
                    writer=_writer(sent, spans.process_of),
                    reader=reader,
                    failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
                    began_ns=span.start_time_unix_nano,
                )
            )
    return sorted(found, key=lambda one: one.began_ns)


def _writer(sent: list[tuple[Process, bytes]], process_of: dict[bytes, Process]) -> Process:
    """The release that wrote an event. While two run, one may send the rows that the other wrote.

    So it is certain only if the process that sent it and the one that recorded the writer's span are of one release.
    """
    relay, _ = sent[0]
    candidates = {process for process, _ in sent}
    for _, parent in sent:
        writing = process_of.get(parent)
        if writing is None or writing.service != relay.service:
            return Process(relay.service, UNCERTAIN)
        candidates.add(writing)
    return relay if len(candidates) == 1 else Process(relay.service, UNCERTAIN)


def _read(exports: Iterable[ExportTraceServiceRequest], since_ns: int) -> _Spans:
    spans = _Spans()
    for export in exports:
        for resource in export.resource_spans:
            attributes = resource.resource.attributes
            process = Process(value_of(attributes, "service.name"), value_of(attributes, RELEASE_ATTRIBUTE))
            for scope in resource.scope_spans:
                for span in scope.spans:
                    _add(spans, process, span, since_ns)
    return spans


def _add(spans: _Spans, process: Process, span: trace_pb2.Span, since_ns: int) -> None:
    spans.process_of[span.span_id] = process
    attributes = {pair.key: pair.value.string_value for pair in span.attributes}
    match attributes.get(OPERATION):
        case "send":
            spans.published.setdefault(attributes[MESSAGE], []).append((process, span.parent_span_id))
        case "process" if span.start_time_unix_nano >= since_ns:
            spans.handled.append((process, span, attributes))
