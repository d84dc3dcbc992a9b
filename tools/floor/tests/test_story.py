"""The page of one order: causes, copies, foreign records, and nothing secret."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shop_floor.mermaid import diagram
from shop_floor.story import MOST_RECORDS, story_of
from shop_observe.trace_links import VARIABLE
from tools.floor.tests.scenes import Order, captured, placed_order, refunded


def test_an_order_has_its_events_with_causes_and_kinds() -> None:
    order = refunded()
    story = story_of(order.id, order.entries)
    assert (story["state"], story["known"], story["lacks"]) == ("CANCELLED", True, [])
    kinds = {event["event"]: event["kind"] for event in story["events"]}
    assert kinds["order-cancelled"] == "ending"
    assert kinds["stock-released"] == kinds["payment-refunded"] == "compensation"
    causes = {event["event"]: event["cause"] for event in story["events"]}
    assert (causes["order-cancelled"], causes["stock-released"]) == ("a request", "order-cancelled")
    assert len(story["coming"]) == len(story["events"])
    assert [step["event"] for step in story["coming"][0]][:2] == ["stock-reserved", "stock-rejected"]
    assert story["coming"][-1] == []


def test_a_record_that_was_sent_twice_is_one_event_with_two_places() -> None:
    order = captured()
    again = replace(order.entries[1], offset=9_000)
    story = story_of(order.id, [*order.entries, again, order.entries[1]])
    copies = {event["event"]: event["again"] for event in story["events"]}
    assert copies == {"order-placed": 0, "stock-reserved": 1, "payment-captured": 0}


def test_the_card_is_neither_shown_nor_exported() -> None:
    order = placed_order()
    story = story_of(order.id, order.entries)
    assert story["events"][0]["data"]["payment_token"] == "(not shown)"
    assert "tok_ok_secret" not in str(story)


def test_a_foreign_record_is_shown_and_decides_nothing() -> None:
    order = placed_order().foreign(20)
    story = story_of(order.id, order.entries)
    foreign = next(event for event in story["events"] if event["kind"] == "foreign")
    assert "its data is no JSON" in foreign["detail"]
    assert (story["state"], foreign["data"]) == ("PENDING", {})


def test_an_order_has_a_link_to_its_traces_where_a_store_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    order = captured()
    one, two = "a" * 32, "b" * 32
    parents = [f"00-{one}-{'c' * 16}-01", f"00-{two}-{'c' * 16}-01", f"00-{'d' * 32}-{'c' * 16}-00"]
    entries = [
        replace(entry, traceparent=parent) for entry, parent in zip(order.entries, parents, strict=True)
    ]
    assert story_of(order.id, entries)["trace_link"] == ""
    monkeypatch.setenv(VARIABLE, "http://localhost:16686")
    assert story_of(order.id, entries[:1])["trace_link"] == f"http://localhost:16686/trace/{one}"
    both = f"http://localhost:16686/search?traceID={one}&traceID={two}"
    assert story_of(order.id, entries)["trace_link"] == both
    foreign = [replace(entry, fault="it is foreign") for entry in entries]
    assert story_of(order.id, foreign)["trace_link"] == ""


def test_an_order_of_which_nothing_is_known_has_no_event() -> None:
    story = story_of("01985f0e-0000-7000-8000-000000000000", [], ["Kafka does not answer."])
    assert (story["known"], story["events"], story["coming"]) == (False, [], [])
    assert story["lacks"] == ["Kafka does not answer."]


def test_of_an_order_with_endless_records_the_page_says_how_many_it_shows() -> None:
    order = placed_order()
    for number in range(MOST_RECORDS + 10):
        order.event("orders.order-cancelled.v1", number)
    story = story_of(order.id, order.entries)
    assert len(story["events"]) == MOST_RECORDS
    assert story["lacks"] == [f"Of {MOST_RECORDS + 11} records the first {MOST_RECORDS} are shown."]


def test_the_diagram_has_an_arrow_from_the_service_of_each_cause() -> None:
    order = captured()
    lines = diagram(story_of(order.id, order.entries)).splitlines()
    assert lines[0] == "sequenceDiagram"
    assert "    customer-)orders: order-placed (+0 ms)" in lines
    assert "    inventory-)payments: payment-captured (+43 ms)" in lines
    assert "    Note over orders: owed - order-confirmed" in lines


def test_a_hostile_record_writes_no_line_of_its_own_into_the_diagram() -> None:
    order = Order().foreign(0)
    order.entries = [
        replace(order.entries[0], type="a.x;\nparticipant evil.v1", source="/o\nrders", id="1"),
    ]
    text = diagram(story_of(order.id, order.entries))
    assert "participant evil" not in [line.strip() for line in text.splitlines()]
    assert ";" not in text
