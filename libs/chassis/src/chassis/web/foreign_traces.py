"""A request starts a new trace. Its span has a link to the client's trace, and its URL without the query.

If a request continued the client's trace, the client could choose the trace of an order, decide whether its spans are
recorded, and mix the traces of other customers (docs/decisions/0024).
"""

from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Span
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.observability.tracing import span_context

TRACE_HEADERS = frozenset({b"traceparent", b"tracestate", b"baggage"})
DECODED_HEADERS = frozenset({b"host", b"user-agent"})
"""OpenTelemetry decodes the values of these headers as UTF-8, else with `unicode_escape`. It raises an error if both
fail."""
URL_ATTRIBUTES = frozenset({"http.url", "url.full"})
"""Attributes with the URL of a request. A client can write names and secrets into the query, and spans are kept."""
CALLER = "chassis.caller_traceparent"
"""The key of the client's traceparent in an ASGI scope."""


class ForeignTraces:
    """Removes the trace headers of a request, and keeps the client's traceparent for the link.

    In DECODED_HEADERS it replaces bytes that are not ASCII by question marks.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope.get("headers", ())
        whole = scope
        if any(name in TRACE_HEADERS for name, _ in headers):
            scope = {
                **scope,
                "headers": [header for header in headers if header[0] not in TRACE_HEADERS],
                CALLER: dict(headers).get(b"traceparent", b"").decode("latin-1"),
            }
        if any(name in DECODED_HEADERS and not value.isascii() for name, value in headers):
            scope = {**scope, "headers": [_readable(*header) for header in scope["headers"]]}
        try:
            await self.app(scope, receive, send)
        finally:
            if scope is not whole and "route" in scope:
                whole["route"] = scope["route"]  # `RequestMetrics` reads it


def _readable(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A header as tracing can decode it: with question marks for what is not ASCII."""
    if name not in DECODED_HEADERS:
        return name, value
    return name, value.decode("ascii", "replace").encode("ascii", "replace")


def describe_request(span: Span, scope: dict[str, Any]) -> None:
    """Link a request's span to the client's span, and remove the query from the span's attributes."""
    link_to_caller(span, scope)
    if not scope.get("query_string") or not isinstance(span, ReadableSpan):
        return
    for name, value in dict(span.attributes or {}).items():
        if name in URL_ATTRIBUTES:
            span.set_attribute(name, str(value).partition("?")[0])


def link_to_caller(span: Span, scope: dict[str, Any]) -> None:
    """Link a request's span to the client's span, if the request has one."""
    caller = span_context(scope.get(CALLER))
    if caller.is_valid:
        span.add_link(caller)
