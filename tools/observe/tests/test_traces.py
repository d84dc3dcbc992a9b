"""Spans as exporters send them become one tree per order."""

from __future__ import annotations

import gzip
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2
from rich.console import Console

from shop_observe.traces import (
    ORDER,
    collect,
    label,
    roots_of,
    rows_of,
    short_name,
    title_of,
    traces_of_order,
    tree_of,
)
from shop_stack.otlp_receiver import Segments

ONE, TWO, THREE = (bytes([number]) * 16 for number in (1, 2, 3))


def export(service: str, *spans: trace_pb2.Span) -> bytes:
    """One export request of a service."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    attribute = resource.resource.attributes.add(key="service.name")
    attribute.value.string_value = service
    resource.scope_spans.add().spans.extend(spans)
    return request.SerializeToString()


def span(
    trace: bytes,
    number: int,
    name: str,
    parent: int = 0,
    order: str = "",
    link: tuple[bytes, int] | None = None,
) -> trace_pb2.Span:
    made = trace_pb2.Span(
        trace_id=trace,
        span_id=number.to_bytes(8),
        name=name,
        kind=trace_pb2.Span.SPAN_KIND_CONSUMER if "process" in name else trace_pb2.Span.SPAN_KIND_PRODUCER,
        start_time_unix_nano=number * 1_000_000,
        end_time_unix_nano=number * 1_000_000 + 500_000,
    )
    if parent:
        made.parent_span_id = parent.to_bytes(8)
    if order:
        made.attributes.add(key=ORDER).value.string_value = order
    if link:
        made.links.add(trace_id=link[0], span_id=link[1].to_bytes(8))
    return made


def keep(folder: Path, *bodies: bytes, zipped: bool = False) -> None:
    segments = Segments(folder, most_bytes=1 << 20, segment_bytes=1 << 16)
    for body in bodies:
        segments.append(gzip.compress(body) if zipped else body, zipped)
    segments.close()


def drawn(folder: Path, trace: bytes) -> list[str]:
    """The lines of a trace's tree."""
    spans = collect(folder, [trace.hex()])[trace.hex()]
    console = Console(width=120, no_color=True)
    with console.capture() as capture:
        console.print(tree_of(spans, title_of(spans, "o-1")))
    return capture.get().splitlines()


def test_a_trace_across_services_is_drawn_as_one_tree(tmp_path: Path) -> None:
    keep(tmp_path, export("inventory", span(ONE, 2, "process orders.order-placed.v1", parent=1, order="o-1")))
    keep(
        tmp_path,
        export("orders", span(ONE, 1, "publish orders.order-placed.v1"), span(TWO, 9, "other")),
        zipped=True,
    )
    lines = drawn(tmp_path, ONE)
    assert "2 spans of 2 services" in lines[0]
    assert lines[1:] == [
        "└── ▲ orders publish order-placed  +0 ms, 0.5 ms",
        "    └── ▼ inventory process order-placed  +1 ms, 0.5 ms",
    ]


def test_hops_that_are_traces_of_their_own_are_joined_by_their_links(tmp_path: Path) -> None:
    keep(
        tmp_path,
        export("orders", span(ONE, 1, "publish a")),
        export("inventory", span(TWO, 2, "process a", link=(ONE, 1)), span(TWO, 3, "publish b", parent=2)),
        export("payments", span(THREE, 4, "process b", link=(TWO, 3))),
    )
    spans = collect(tmp_path, [ONE.hex()])[ONE.hex()]
    assert {found.service for found in spans} == {"orders", "inventory", "payments"}
    assert [root.name for root in roots_of(spans)] == ["publish a"]
    assert "3 linked traces" in drawn(tmp_path, ONE)[0]


def test_rows_for_programs_are_in_the_order_of_the_tree_with_their_depth(tmp_path: Path) -> None:
    keep(
        tmp_path,
        export("orders", span(ONE, 1, "publish a"), span(ONE, 7, "publish late", parent=1)),
        export("inventory", span(TWO, 3, "process a", link=(ONE, 1)), span(TWO, 5, "publish b", parent=3)),
    )
    rows = rows_of(collect(tmp_path, [ONE.hex()])[ONE.hex()])
    assert [(row["depth"], row["service"], row["name"], row["start_ms"], row["ms"]) for row in rows] == [
        (0, "orders", "publish a", 0.0, 0.5),
        (1, "inventory", "process a", 2.0, 0.5),
        (2, "inventory", "publish b", 4.0, 0.5),
        (1, "orders", "publish late", 6.0, 0.5),
    ]
    assert {row["trace_id"] for row in rows} == {ONE.hex(), TWO.hex()}


def test_a_trace_that_is_deeper_than_any_stack_is_read(tmp_path: Path) -> None:
    chain = [span(ONE, number, "publish a", parent=number - 1) for number in range(1, 3_001)]
    keep(tmp_path, export("orders", *chain))
    assert [row["depth"] for row in rows_of(collect(tmp_path, [ONE.hex()])[ONE.hex()])] == list(range(3_000))


def test_a_span_whose_parent_never_arrived_is_a_second_root(tmp_path: Path) -> None:
    keep(tmp_path, export("orders", span(ONE, 1, "publish a"), span(ONE, 5, "process b", parent=4)))
    spans = collect(tmp_path, [ONE.hex()])[ONE.hex()]
    assert [root.name for root in roots_of(spans)] == ["publish a", "process b"]


def test_a_span_that_was_sent_twice_is_drawn_once(tmp_path: Path) -> None:
    body = export("orders", span(ONE, 1, "publish a"))
    keep(tmp_path, body, body)
    assert len(drawn(tmp_path, ONE)) == 2


def test_the_traces_of_an_order_are_found_by_its_id(tmp_path: Path) -> None:
    keep(
        tmp_path,
        export("orders", span(ONE, 1, "publish a", order="o-1"), span(TWO, 2, "publish a", order="o-2")),
    )
    assert traces_of_order(tmp_path, "o-1") == {ONE.hex()}
    assert traces_of_order(tmp_path, "o-9") == set()


def test_a_body_that_is_no_export_is_passed_over(tmp_path: Path) -> None:
    keep(tmp_path, b"\xff\xff\xff", export("orders", span(ONE, 1, "publish a", order="o-1")))
    keep(tmp_path, b"", zipped=False)
    assert traces_of_order(tmp_path, "o-1") == {ONE.hex()}


def test_a_folder_without_spans_has_no_traces(tmp_path: Path) -> None:
    assert collect(tmp_path / "missing", [ONE.hex()]) == {}


def test_only_event_types_are_shortened() -> None:
    assert short_name("process orders.order-placed.v1") == "process order-placed"
    assert short_name("POST /orders") == "POST /orders"


def test_a_failed_span_is_seen(tmp_path: Path) -> None:
    failed = span(ONE, 1, "process a")
    failed.status.code = trace_pb2.Status.STATUS_CODE_ERROR
    keep(tmp_path, export("orders", failed))
    (found,) = collect(tmp_path, [ONE.hex()])[ONE.hex()]
    assert found.failed
    assert "red" in {str(part.style) for part in label(found, 0).spans}
