"""For the tests of messages' spans: what they are about, and an exporter that keeps them."""

from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from chassis.observability import tracing
from chassis.observability.tracing import MessageIds, MessageSpan, Pipeline

EVENT_TYPE = "things.counted.v1"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOT_SAMPLED = PARENT[:-1] + "0"
IDS = MessageIds("things.thing.v1", UUID(int=7), "order-1")
WRITTEN = 1_000
"""When the outbox row was written, in nanoseconds since the epoch."""


def message_span(kind: SpanKind, ids: MessageIds = IDS, parent: str | None = PARENT) -> MessageSpan:
    """A publish span or a process span of one message."""
    if kind is SpanKind.PRODUCER:
        return tracing.publish_span(EVENT_TYPE, ids, parent, WRITTEN)
    return tracing.process_span(EVENT_TYPE, ids, parent)


class Exporting:
    """A pipeline into `exporter`, which the chassis' tracing uses until the test ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        processor: Any = SimpleSpanProcessor(self.exporter)
        self.provider.add_span_processor(processor)
        self.pipeline = Pipeline(self.provider, processor)
        # OpenTelemetry takes one provider per process, and gives each tracer its first one for ever.
        monkeypatch.setattr(tracing, "_TRACER", self.provider.get_tracer("chassis"))
        # `start_message_spans_with` is undone with the test.
        monkeypatch.setattr(tracing, "_start_child", dict(tracing._start_child))
