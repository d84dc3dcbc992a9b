"""`shop trace`: the spans of an order, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2
from typer.testing import CliRunner

from shop.cli import app
from shop_observe.trace_links import VARIABLE
from shop_observe.traces import ORDER
from shop_stack.errors import UserError
from shop_stack.otlp_receiver import Segments

ID = "01985f0e-0000-7000-8000-00000000000a"


@pytest.fixture(autouse=True)
def spans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with one span of the order."""
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "orders"
    span = trace_pb2.Span(
        trace_id=b"t" * 16, span_id=b"s" * 8, name="POST /orders", end_time_unix_nano=2_000_000
    )
    span.attributes.add(key=ORDER).value.string_value = ID
    resource.scope_spans.add().spans.append(span)
    segments = Segments(tmp_path / "spans", most_bytes=1 << 20, segment_bytes=1 << 16)
    segments.append(request.SerializeToString(), False)
    segments.close()


def test_people_get_a_tree_and_programs_get_rows() -> None:
    assert "POST /orders" in CliRunner().invoke(app, ["trace", ID]).stdout
    told = json.loads(CliRunner().invoke(app, ["trace", ID, "--json"]).stdout)
    assert told["order_id"] == ID
    assert [(one["service"], one["name"], one["depth"], one["ms"]) for one in told["spans"]] == [
        ("orders", "POST /orders", 0, 2.0)
    ]


def test_people_and_programs_get_the_link_where_a_store_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(CliRunner().invoke(app, ["trace", ID, "--json"]).stdout)["link"] == ""
    monkeypatch.setenv(VARIABLE, "http://localhost:16686")
    link = f"http://localhost:16686/trace/{(b't' * 16).hex()}"
    assert CliRunner().invoke(app, ["trace", ID]).stdout.splitlines()[-1] == link
    assert json.loads(CliRunner().invoke(app, ["trace", ID, "--json"]).stdout)["link"] == link


def test_an_order_without_a_span_is_a_sentence() -> None:
    failed = CliRunner().invoke(app, ["trace", ID.replace("a", "b"), "--json"])
    assert isinstance(failed.exception, UserError)
    assert str(failed.exception).startswith("No span of order")
