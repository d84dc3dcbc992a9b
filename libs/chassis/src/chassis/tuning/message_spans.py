"""Spans of messages without the SDK's locks, limits and copies.

Kind: speed. Without it the results are the same.
This is so if the SDK has its default limits and a `parentbased_*` sampler.
What it does: starts a message's span as a `ReadableSpan` of which everything but the end and the status is known at
the start, and hands it to the SDK's `BatchSpanProcessor` when it ends. It sets the private `_status` and `_end_time`.
The attribute limits of the SDK, and samplers other than `parentbased_*`, do not apply to it (docs/decisions/0013).
Why: an order has eighteen spans of messages, and the SDK needs 0.09 ms of CPU for each (docs/decisions/0013).
What it saves: see docs/performance.md; measure again with `TUNING_OFF=message_spans,span_encoding shop bench --only
telemetry`.
Can be removed when: a span of the SDK costs a third of that. The SDK says that users should not make a ReadableSpan.
Tests compare the sent span, field by field, with the SDK's own.
"""

import time
from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status

from chassis.observability.tracing import MessageSpan, Pipeline, StartSpan

_SCOPE = InstrumentationScope("chassis")
_IDS = RandomIdGenerator()


class PreparedSpan(ReadableSpan):
    """The span of a message. Everything except its end and its status is known at its start.

    When it ends, it is given to `processor`.
    """

    def __init__(self, processor: Any, **about: Any) -> None:
        super().__init__(**about)
        self._processor = processor

    def set_status(self, status: Status, /) -> None:
        """Set the status of the span. The chassis sets one only if the message failed."""
        self._status = status

    def end(self) -> None:
        """End the span now and have it sent."""
        self._end_time = time.time_ns()
        self._processor.on_end(self)


def prepared_spans(pipeline: Pipeline) -> StartSpan:
    """A replacement for the SDK's way to start a message's span."""

    def start(
        name: str, kind: SpanKind, attributes: Mapping[str, str], parent: SpanContext, start_time: int | None
    ) -> MessageSpan:
        context = SpanContext(
            parent.trace_id, _IDS.generate_span_id(), is_remote=False, trace_flags=parent.trace_flags
        )
        return PreparedSpan(
            pipeline.processor,
            name=name,
            context=context,
            parent=parent,
            resource=pipeline.provider.resource,
            attributes=attributes,
            kind=kind,
            start_time=start_time or time.time_ns(),
            instrumentation_scope=_SCOPE,
        )

    return start
