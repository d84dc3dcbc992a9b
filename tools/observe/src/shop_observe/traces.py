"""Reads the spans that the receiver stored, and draws a trace as a tree."""

from __future__ import annotations

import gzip
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2
from rich.text import Text
from rich.tree import Tree

from shop_observe.colours import COLOURS
from shop_stack.otlp_receiver import records, segment_files

ORDER = "messaging.message.conversation_id"
"""The attribute in which a span of a message has the order id."""


@dataclass(frozen=True, slots=True)
class Span:
    """One span. Ids are lower-case hex, times nanoseconds since the epoch."""

    trace_id: str
    span_id: str
    parent_id: str
    """Empty for a root."""
    links: tuple[tuple[str, str], ...]
    """(trace id, span id) each."""
    service: str
    name: str
    kind: str
    """``server``, ``client``, ``producer``, ``consumer`` or ``internal``."""
    start_ns: int
    end_ns: int
    failed: bool
    attributes: Mapping[str, Any]


OUTBOX = "postgresql"
"""`messaging.system` of a message that a module has read in the outbox of another one (docs/decisions/0055)."""

KINDS = {number: name.removeprefix("SPAN_KIND_").lower() for name, number in trace_pb2.Span.SpanKind.items()}

Scoped = tuple[str, trace_pb2.Span]
"""(service, the span in protobuf)."""


def requests(folder: Path, holding: bytes = b"") -> Iterator[ExportTraceServiceRequest]:
    """Every stored export request, oldest first. With `holding`, only requests that contain these bytes.

    A body that is not an export request is skipped: the receiver stores bodies unread.
    """
    for file in segment_files(folder):
        for body, zipped in records(file):
            try:
                plain = gzip.decompress(body) if zipped else body
                if holding in plain:
                    yield ExportTraceServiceRequest.FromString(plain)
            except (DecodeError, OSError, EOFError, zlib.error):
                continue


def raw_spans(folder: Path, holding: bytes = b"") -> Iterator[Scoped]:
    for request in requests(folder, holding):
        for resource in request.resource_spans:
            service = value_of(resource.resource.attributes, "service.name")
            for scope in resource.scope_spans:
                for span in scope.spans:
                    yield service, span


def value_of(attributes: Iterable[KeyValue], name: str) -> str:
    return next((pair.value.string_value for pair in attributes if pair.key == name), "")


def to_span(service: str, span: trace_pb2.Span) -> Span:
    # Protobuf keeps an enum number that it does not know, and then has no name for it.
    kind = KINDS.get(span.kind, "unspecified")
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        service=service,
        name=span.name,
        kind=kind,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        attributes={pair.key: plain_value(pair) for pair in span.attributes},
    )


def plain_value(pair: KeyValue) -> Any:
    kind = pair.value.WhichOneof("value")
    return (
        str(pair.value)
        if kind in ("array_value", "kvlist_value")
        else getattr(pair.value, kind)
        if kind
        else None
    )


def traces_of_order(folder: Path, order_id: str) -> set[str]:
    """The ids of the traces that have a span with this order id."""
    return {
        span.trace_id.hex()
        for _, span in raw_spans(folder, order_id.encode())
        if any(pair.key == ORDER and pair.value.string_value == order_id for pair in span.attributes)
    }


def collect(folder: Path, wanted: Iterable[str]) -> dict[str, list[Span]]:
    """The spans of each wanted trace, and of the traces that link to it, directly or through other traces.

    A trace without a span is left out. With `SHOP_TRACE_MODE=parent` there are no links, and the files are read once.
    """
    seeds = {bytes.fromhex(trace_id) for trace_id in wanted}
    links: dict[bytes, set[bytes]] = defaultdict(set)
    found: dict[bytes, list[Span]] = defaultdict(list)
    for service, span in raw_spans(folder):
        if span.trace_id in seeds:
            found[span.trace_id].append(to_span(service, span))
        for link in span.links:
            links[link.trace_id].add(span.trace_id)
    families = {seed: family_of(seed, links) for seed in seeds}
    relatives = set().union(*families.values()) - seeds if families else set()
    if relatives:
        for service, span in raw_spans(folder):
            if span.trace_id in relatives:
                found[span.trace_id].append(to_span(service, span))
    return {
        seed.hex(): spans
        for seed, family in families.items()
        if (spans := [span for member in family for span in found.get(member, [])])
    }


def family_of(seed: bytes, links: Mapping[bytes, set[bytes]]) -> set[bytes]:
    """A trace and all traces that link to it, directly or through other traces."""
    family, edge = {seed}, [seed]
    while edge:
        for follower in links.get(edge.pop(), ()):
            if follower not in family:
                family.add(follower)
                edge.append(follower)
    return family


def parent_of(span: Span, by_id: Mapping[tuple[str, str], Span]) -> Span | None:
    """The span above this one in the tree: its parent, else its first link that is known; None for a root."""
    if span.parent_id:
        return by_id.get((span.trace_id, span.parent_id))
    return next((by_id[link] for link in span.links if link in by_id), None)


def roots_of(spans: Iterable[Span]) -> list[Span]:
    """The spans without a span above them, oldest first: exactly one if the trace is connected."""
    by_id = {(span.trace_id, span.span_id): span for span in spans}
    return sorted((s for s in by_id.values() if parent_of(s, by_id) is None), key=lambda span: span.start_ns)


def nested(spans: Iterable[Span]) -> Iterator[tuple[int, Span]]:
    """The spans of a trace from the top down, each with its depth. Those below one span are in the order of time."""
    by_id = {(span.trace_id, span.span_id): span for span in spans}
    below: dict[tuple[str, str] | None, list[Span]] = defaultdict(list)
    for span in by_id.values():
        parent = parent_of(span, by_id)
        below[(parent.trace_id, parent.span_id) if parent else None].append(span)
    # A list and no recursion: a foreign trace may be as deep as it likes.
    left = [(0, span) for span in newest_first(below[None])]
    while left:
        depth, span = left.pop()
        yield depth, span
        left += [(depth + 1, each) for each in newest_first(below[span.trace_id, span.span_id])]


def newest_first(spans: Iterable[Span]) -> list[Span]:
    return sorted(spans, key=lambda span: span.start_ns)[::-1]


def tree_of(spans: Iterable[Span], title: str) -> Tree:
    """A trace as a tree: service, span, offset from the beginning, and how long it took."""
    listed = list(spans)
    begin = begin_of(listed)
    branches = [Tree(title, guide_style="dim")]
    for depth, span in nested(listed):
        del branches[depth + 1 :]
        branches.append(branches[depth].add(label(span, begin)))
    return branches[0]


def begin_of(spans: Iterable[Span]) -> int:
    """When a trace began, in nanoseconds since the epoch; 0 without a span."""
    return min((span.start_ns for span in spans), default=0)


def rows_of(spans: Iterable[Span]) -> list[dict[str, Any]]:
    """A trace for programs, in the order of the tree: `start_ms` from the beginning of the trace, and `ms` it took."""
    listed = list(spans)
    begin = begin_of(listed)
    return [
        {
            "depth": depth,
            "service": span.service,
            "name": span.name,
            "kind": span.kind,
            "start_ms": round((span.start_ns - begin) / 1e6, 3),
            "ms": round((span.end_ns - span.start_ns) / 1e6, 3),
            "failed": span.failed,
            "trace_id": span.trace_id,
            "span_id": span.span_id,
        }
        for depth, span in nested(listed)
    ]


def trace_ids_of(spans: Iterable[Span]) -> list[str]:
    """The traces of these spans, the one that began first at the beginning."""
    return list(dict.fromkeys(span.trace_id for span in sorted(spans, key=lambda span: span.start_ns)))


def title_of(spans: Iterable[Span], order_id: str) -> str:
    """The title of a tree: the order, its trace ids, the number of spans and services."""
    listed = list(spans)
    ids = sorted({span.trace_id for span in listed})
    trace = f"trace {ids[0]}" if len(ids) == 1 else f"{len(ids)} linked traces"
    services = len({span.service for span in listed})
    signs = "▲ to Kafka, ▼ from Kafka"
    if any(span.attributes.get("messaging.system") == OUTBOX for span in listed):
        signs += " or from an outbox"
    return f"Order {order_id}: {trace}, {len(listed)} spans of {services} services  ({signs})"


SIGNS = {"producer": "▲ ", "consumer": "▼ ", "server": "● ", "client": "○ "}


def label(span: Span, begin: int) -> Text:
    """One span as a line: a sign for its kind, service, name, start after the trace began, duration.

    ▲ is a message sent to Kafka, ▼ a message handled, ● a request served, ○ a request made.
    """
    text = Text(SIGNS.get(span.kind, ""), style="dim")
    text.append(f"{span.service} ", style=COLOURS.get(span.service, "white"))
    text.append(short_name(span.name), style="red" if span.failed else "")
    text.append(f"  +{(span.start_ns - begin) / 1e6:,.0f} ms", style="dim")
    text.append(f", {(span.end_ns - span.start_ns) / 1e6:,.1f} ms", style="bold")
    return text


def short_name(name: str) -> str:
    """A span's name with shortened event types: the line names the service already."""
    return re.sub(r"\b[a-z]+\.([a-z-]+)\.v\d+$", r"\1", name)
