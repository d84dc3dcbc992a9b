"""Each invariant is seen to hold on clean evidence, and to catch a violation that is planted in it.

The tests have one shape on purpose: an order, one violation, what must be caught. Each can be read without the others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import jsonschema
import pytest

from shop_observe.history import Request
from shop_observe.kafka_log import Entry
from shop_oracle import invariants, replay
from shop_oracle.evidence import DeadLetter, Evidence, Message, Movement, Refund, Reservation
from shop_oracle.invariants import INVARIANTS, Invariant, Judgement

CONTRACTS = next(
    p for parent in Path(__file__).parents if (p := parent / "contracts" / "topics.yaml").exists()
).parent


class World(Protocol):
    """The fixture in conftest.py."""

    evidence: Evidence

    def order(self, outcome: str) -> str: ...
    def tell(self, type_: str, key: str, version: int | None, **data: Any) -> Entry: ...
    def finished(self) -> Evidence: ...


def order_in(evidence: Evidence, state: str, reason: str = "") -> str:
    return next(o.id for o in evidence.orders.values() if o.state == state and reason in o.reason)


def caught(judgement: Judgement, subject: str, *, expected: str = "", found: str = "") -> None:
    """Assert that a violation about `subject` says what was expected and found."""
    for violation in judgement.violations:
        if subject in violation.subject and expected in violation.expected and found in violation.found:
            return
    raise AssertionError(f"nothing about {subject} with {expected!r} and {found!r} in {judgement.violations}")


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda invariant: invariant.__name__)
def test_clean_evidence_passes(invariant: Invariant, clean: Evidence) -> None:
    judgement = invariant(clean)
    assert judgement.violations == []
    assert judgement.unjudged == ""


def test_the_events_that_these_tests_are_made_of_are_those_of_the_contracts(clean: Evidence) -> None:
    for entry in clean.log.entries:
        folder, _, version = entry.type.rpartition(".")
        schema = CONTRACTS / "events" / folder / f"{version}.schema.json"
        jsonschema.validate(entry.data, json.loads(schema.read_text()))


def test_there_are_nine_invariants() -> None:
    assert len(INVARIANTS) == 9


# --- 1 --------------------------------------------------------------------------------------------


def test_an_acknowledged_order_that_is_nowhere_is_caught(clean: Evidence) -> None:
    lost = Request("run", 99, "place-order", "key-99", "", "", 0, 0.0, status=202, order_id="lost-order")
    clean.requests = [*clean.requests, lost]
    caught(invariants.every_acknowledged_order_ends_once(clean), "lost-order", found="nothing")


def test_an_order_without_an_end_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CONFIRMED")
    clean.orders[order_id] = replace(clean.orders[order_id], state="PENDING")
    caught(invariants.every_acknowledged_order_ends_once(clean), order_id, found="PENDING")


def test_an_order_that_ended_twice_is_caught(world: World, clean: Evidence) -> None:
    order_id = order_in(clean, "CONFIRMED")
    world.tell("orders.order-cancelled.v1", order_id, 3)
    judgement = invariants.every_acknowledged_order_ends_once(world.finished())
    caught(judgement, order_id, expected="['CONFIRMED']", found="['CONFIRMED', 'CANCELLED']")


def test_an_order_that_its_customer_was_told_is_cancelled_and_is_not_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CONFIRMED")
    cancel = Request("run", 99, "cancel-order", "", order_id, "", 0, 0.0, status=202)
    clean.requests = [*clean.requests, cancel]
    judgement = invariants.every_acknowledged_order_ends_once(clean)
    caught(judgement, order_id, expected="CANCELLED", found="CONFIRMED")


def test_a_repeated_delivery_of_an_ending_is_no_second_ending(clean: Evidence) -> None:
    confirmed = next(entry for entry in clean.log.entries if entry.type == "orders.order-confirmed.v1")
    clean.log.entries.append(replace(confirmed, offset=1_000))
    assert invariants.every_acknowledged_order_ends_once(clean).violations == []
    assert invariants.no_effect_happens_twice(clean).violations == []
    assert invariants.no_key_is_out_of_order(clean).violations == []


# --- 2 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"on_hand": 993}, "initial + replenished"),
        ({"reserved": 2_000}, "on_hand of at least"),
        ({"reserved": -1}, "no negative count"),
        ({"reserved": 3}, "0 reserved"),
        ({"sold": 9, "on_hand": 991}, "6 sold"),
        ({"initial": 999, "on_hand": 993}, "as a client listed it"),
    ],
)
def test_stock_that_does_not_add_up_is_caught(clean: Evidence, change: dict[str, Any], expected: str) -> None:
    clean.products["MUG"] = replace(clean.products["MUG"], **change)
    caught(invariants.stock_is_conserved(clean), "MUG", expected=expected)


def test_stock_that_is_sold_for_a_cancelled_order_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CANCELLED")
    clean.reservations[order_id] = replace(clean.reservations[order_id], state="COMMITTED")
    caught(invariants.stock_is_conserved(clean), order_id, expected="free", found="COMMITTED")


def test_a_confirmed_order_without_its_stock_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CONFIRMED")
    clean.reservations[order_id] = replace(clean.reservations[order_id], state="RELEASED")
    caught(invariants.stock_is_conserved(clean), order_id, expected="committed", found="RELEASED")


def test_stock_of_a_product_that_does_not_exist_is_caught(clean: Evidence) -> None:
    clean.reservations["x"] = Reservation("x", "COMMITTED", (("GHOST", 1),))
    caught(invariants.stock_is_conserved(clean), "GHOST", found="nothing")


# --- 3 --------------------------------------------------------------------------------------------


def test_a_charge_that_was_not_given_back_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CANCELLED")
    clean.ledger = [entry for entry in clean.ledger if entry.kind == "charge"]
    caught(invariants.money_is_conserved(clean), order_id, expected="nothing kept", found="3600")


def test_a_confirmed_order_that_was_not_charged_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CONFIRMED")
    clean.ledger = [entry for entry in clean.ledger if entry.reference != order_id]
    caught(invariants.money_is_conserved(clean), order_id, expected="3600", found="{}")


def test_a_charge_of_the_wrong_amount_or_currency_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CONFIRMED")
    clean.ledger = [replace(e, currency="USD") if e.reference == order_id else e for e in clean.ledger]
    caught(invariants.money_is_conserved(clean), order_id, expected="EUR", found="USD")


def test_a_charge_for_no_order_is_caught(clean: Evidence) -> None:
    clean.ledger.append(Movement("charge", "ch-ghost", "no-order", 100, "EUR"))
    caught(invariants.money_is_conserved(clean), "ch-ghost", found="no-order")


def test_money_that_the_log_does_not_tell_of_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CANCELLED")
    clean.log.entries = [e for e in clean.log.entries if e.type != "payments.payment-refunded.v1"]
    caught(invariants.money_is_conserved(clean), order_id, expected="in the log", found="3600")


def in_both_versions(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries, with the second version of each refund before the first one, as payments publishes them."""
    for number, entry in enumerate(entries):
        if entry.type == "payments.payment-refunded.v1":
            amount = entry.data["amount"]
            data = {**entry.data, "refunded": amount, "captured": amount, "reason": "customer"}
            del data["amount"]
            second = f"01980000-0000-7000-8000-{number:012d}"
            yield replace(
                entry, id=second, type="payments.payment-refunded.v2", value=json.dumps(data).encode()
            )
        yield entry


@pytest.mark.parametrize(
    "invariant",
    [
        invariants.money_is_conserved,
        invariants.no_effect_happens_twice,
        invariants.no_key_is_out_of_order,
    ],
    ids=lambda invariant: invariant.__name__,
)
def test_a_refund_that_is_told_in_both_versions_of_its_event_counts_once(
    invariant: Invariant, clean: Evidence
) -> None:
    before = len(clean.log.entries)
    clean.log.entries = list(in_both_versions(clean.log.entries))
    assert len(clean.log.entries) > before
    assert invariant(clean).violations == []


def test_a_refund_that_is_told_in_its_second_version_alone_counts(clean: Evidence) -> None:
    both = in_both_versions(clean.log.entries)
    clean.log.entries = [entry for entry in both if entry.type != "payments.payment-refunded.v1"]
    assert invariants.money_is_conserved(clean).violations == []
    facts = replay.replay(clean.log.entries)
    assert facts[order_in(clean, "CANCELLED")]["refunded_minor"] == 3_600


# --- 4 --------------------------------------------------------------------------------------------


def test_a_second_charge_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CONFIRMED")
    clean.ledger.append(Movement("charge", "ch-again", order_id, 3_600, "EUR"))
    caught(invariants.no_effect_happens_twice(clean), order_id, expected="one charge", found="2")


def test_an_event_that_was_published_twice_under_two_ids_is_caught(world: World, clean: Evidence) -> None:
    order_id = order_in(clean, "CONFIRMED")
    world.tell("inventory.stock-reserved.v1", order_id, 3)
    judgement = invariants.no_effect_happens_twice(world.finished())
    caught(judgement, order_id, expected="one inventory.stock-reserved.v1")


def test_a_second_message_of_one_kind_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CONFIRMED")
    clean.messages.append(Message("again", order_id, "confirmed", "SENT"))
    caught(invariants.no_effect_happens_twice(clean), order_id, expected="one message", found="2")


def test_an_outcome_that_nobody_was_told_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "REJECTED")
    clean.messages = [message for message in clean.messages if message.order_id != order_id]
    caught(invariants.no_effect_happens_twice(clean), order_id, expected="`rejected`", found="none")


def test_two_orders_of_one_idempotency_key_are_caught(clean: Evidence) -> None:
    first = next(request for request in clean.requests if request.operation == "place-order")
    clean.requests = [*clean.requests, replace(first, number=99, order_id="another")]
    caught(invariants.no_effect_happens_twice(clean), first.key, expected="one order", found="another")


def test_two_customers_may_use_one_idempotency_key(clean: Evidence) -> None:
    first, second, *_ = (request for request in clean.requests if request.operation == "place-order")
    first.customer = "ada"
    second.customer = "bob"
    second.key = first.key
    assert invariants.no_effect_happens_twice(clean).violations == []
    second.customer = "ada"
    caught(invariants.no_effect_happens_twice(clean), f"{first.key} of ada", found=second.order_id)


def test_orders_without_an_idempotency_key_have_none_in_common(clean: Evidence) -> None:
    for request in clean.requests:
        request.key = ""
    assert invariants.no_effect_happens_twice(clean).violations == []


# --- 5 --------------------------------------------------------------------------------------------


def test_an_inversion_within_a_key_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CONFIRMED")
    first, second = (
        i for i, e in enumerate(clean.log.entries) if (e.topic, e.key) == ("orders.order.v1", order_id)
    )
    entries = clean.log.entries
    entries[first], entries[second] = entries[second], entries[first]
    judgement = invariants.no_key_is_out_of_order(clean)
    caught(judgement, order_id, expected="after version 2", found="version 1")


def test_two_events_with_one_version_are_caught(world: World, clean: Evidence) -> None:
    order_id = order_in(clean, "REJECTED")
    world.tell("orders.order-cancelled.v1", order_id, 2)
    caught(invariants.no_key_is_out_of_order(world.finished()), order_id, found="version 2")


PRICE = {"amount_minor": 1_200, "currency": "EUR"}


def test_a_catalogue_that_is_published_again_is_in_order(world: World) -> None:
    world.tell("inventory.product-listed.v1", "MUG", 1, name="Mug", price=PRICE)
    assert invariants.no_key_is_out_of_order(world.finished()).violations == []


@pytest.mark.parametrize(
    ("type_", "amount_minor"),
    [("inventory.product-listed.v1", 1_201), ("inventory.product-priced.v1", 1_200)],
)
def test_a_product_that_is_published_again_with_another_state_is_caught(
    world: World, type_: str, amount_minor: int
) -> None:
    world.tell(type_, "MUG", 1, name="Mug", price=PRICE | {"amount_minor": amount_minor})
    caught(invariants.no_key_is_out_of_order(world.finished()), "MUG", found="version 1")


def test_an_older_state_that_is_published_again_is_caught(world: World) -> None:
    world.tell("inventory.product-priced.v1", "MUG", 2, name="Mug", price=PRICE)
    world.tell("inventory.product-listed.v1", "MUG", 1, name="Mug", price=PRICE)
    caught(
        invariants.no_key_is_out_of_order(world.finished()),
        "MUG",
        expected="after version 2",
        found="version 1",
    )


def test_a_key_on_two_partitions_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CONFIRMED")
    confirm_on(clean, order_id, 7)
    caught(invariants.no_key_is_out_of_order(clean), order_id, expected="partition 0", found="[7]")


@pytest.mark.parametrize(("partition", "present"), [(12, 24), (24, 48), (12, 36)])
def test_a_key_that_went_to_a_partition_that_is_new_is_where_it_should_be(
    clean: Evidence, partition: int, present: int
) -> None:
    order_id = order_in(clean, "CONFIRMED")
    confirm_on(clean, order_id, partition)
    clean.log.partitions = {"orders.order.v1": present}
    assert invariants.no_key_is_out_of_order(clean).violations == []


@pytest.mark.parametrize(("partition", "present"), [(7, 24), (13, 24), (12, 12), (12, 30)])
def test_a_key_that_widening_does_not_explain_is_caught(
    clean: Evidence, partition: int, present: int
) -> None:
    order_id = order_in(clean, "CONFIRMED")
    confirm_on(clean, order_id, partition)
    clean.log.partitions = {"orders.order.v1": present}
    caught(invariants.no_key_is_out_of_order(clean), order_id, expected="partition 0")


def test_an_inversion_behind_a_widening_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CONFIRMED")
    placed = next(e for e in clean.log.entries if (e.key, e.type) == (order_id, "orders.order-placed.v1"))
    clean.log.entries.remove(placed)
    clean.log.entries.append(replace(placed, partition=12))
    clean.log.partitions = {"orders.order.v1": 24}
    caught(invariants.no_key_is_out_of_order(clean), order_id, expected="after version 2", found="version 1")


def confirm_on(evidence: Evidence, order_id: str, partition: int) -> None:
    """Have the order's confirmation stand on another partition; its first event stands on 0."""
    entries = evidence.log.entries
    place = next(
        i for i, e in enumerate(entries) if (e.key, e.type) == (order_id, "orders.order-confirmed.v1")
    )
    entries[place] = replace(entries[place], partition=partition)


# --- 6 --------------------------------------------------------------------------------------------


def test_an_event_that_never_left_its_outbox_is_caught(clean: Evidence) -> None:
    gone = clean.log.entries.pop()
    caught(invariants.nothing_is_lost_between_services(clean), gone.id, expected=gone.type, found="not sent")


def test_an_event_that_a_subscriber_never_took_is_caught(clean: Evidence) -> None:
    event = next(entry for entry in clean.log.entries if entry.type == "orders.order-placed.v1")
    clean.inbox["inventory"].discard((event.source, event.id))
    caught(
        invariants.nothing_is_lost_between_services(clean), event.id, expected="of inventory", found="neither"
    )


def test_an_event_in_the_dead_letters_is_not_lost(clean: Evidence) -> None:
    event = next(entry for entry in clean.log.entries if entry.type == "orders.order-placed.v1")
    clean.inbox["inventory"].discard((event.source, event.id))
    clean.dead_letters.append(DeadLetter("inventory", (event.topic, event.partition, event.offset), event.id))
    assert invariants.nothing_is_lost_between_services(clean).violations == []


def test_a_message_that_is_no_event_must_be_in_the_dead_letters_of_every_reader(clean: Evidence) -> None:
    event = next(entry for entry in clean.log.entries if entry.type == "orders.order-placed.v1")
    clean.log.entries.append(replace(event, id="", type="", offset=1_000, value=b"not json"))
    judgement = invariants.nothing_is_lost_between_services(clean)
    caught(judgement, "orders.order.v1[0]@1000", expected="of inventory")
    readers = ("inventory", "payments", "notifications", "analytics")
    clean.dead_letters += [DeadLetter(group, ("orders.order.v1", 0, 1_000), "") for group in readers]
    assert invariants.nothing_is_lost_between_services(clean).violations == []
    assert invariants.no_key_is_out_of_order(clean).violations == []


def test_what_retention_took_out_of_the_log_is_not_missed(clean: Evidence) -> None:
    gone = clean.log.entries.pop(0)
    clean.log.gone_before = {gone.topic: gone.at + timedelta(hours=1)}
    assert invariants.nothing_is_lost_between_services(clean).violations == []


@pytest.mark.parametrize(("age", "is_caught"), [(timedelta(days=6), True), (timedelta(days=8), False)])
def test_what_an_inbox_may_have_forgotten_of_a_compacted_topic_is_not_missed(
    clean: Evidence, age: timedelta, is_caught: bool
) -> None:
    """The catalogue stays for ever; an inbox remembers for as long as a topic of the deleting kind keeps an event."""
    listed = next(entry for entry in clean.log.entries if entry.topic == "inventory.product.v1")
    clean.taken_at = listed.at + age
    for group in ("orders", "analytics"):
        clean.inbox[group].discard((listed.source, listed.id))
    judgement = invariants.nothing_is_lost_between_services(clean)
    assert [violation.subject for violation in judgement.violations] == [f"event {listed.id}"] * 2 * is_caught
    assert ("1 of compacted topics" in judgement.unjudged) is not is_caught


def test_an_old_event_that_no_compaction_keeps_is_asked_for(clean: Evidence) -> None:
    placed = next(entry for entry in clean.log.entries if entry.type == "orders.order-placed.v1")
    clean.taken_at = placed.at + timedelta(days=100)
    clean.inbox["inventory"].discard((placed.source, placed.id))
    caught(invariants.nothing_is_lost_between_services(clean), placed.id, expected="of inventory")


# --- 7 --------------------------------------------------------------------------------------------


def test_an_order_that_is_pending_long_after_its_deadline_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CONFIRMED")
    clean.orders[order_id] = replace(clean.orders[order_id], state="PENDING")
    caught(invariants.nothing_stays_locked(clean), order_id, expected="deadline", found="PENDING")


def test_stock_that_is_reserved_for_an_ended_order_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CANCELLED")
    clean.reservations[order_id] = replace(clean.reservations[order_id], state="RESERVED")
    caught(invariants.nothing_stays_locked(clean), order_id, expected="PENDING", found="CANCELLED")


def test_a_payment_that_nobody_finishes_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CANCELLED")
    clean.payments[order_id] = replace(clean.payments[order_id], state="CANCELLING")
    caught(invariants.nothing_stays_locked(clean), order_id, found="CANCELLING")


def test_a_refund_that_nobody_makes_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CANCELLED")
    clean.refunds = [Refund("r", order_id, 3_600, "EUR", "PENDING")]
    caught(invariants.nothing_stays_locked(clean), order_id, expected="refund", found="PENDING")


def test_a_message_that_nobody_sends_is_caught(clean: Evidence) -> None:
    clean.messages[0] = replace(clean.messages[0], state="PENDING")
    caught(invariants.nothing_stays_locked(clean), clean.messages[0].order_id, found="PENDING")


def test_a_message_without_an_address_is_done(clean: Evidence) -> None:
    clean.messages[0] = replace(clean.messages[0], state="FAILED")
    assert not invariants.nothing_stays_locked(clean).violations


# --- 8 --------------------------------------------------------------------------------------------


def test_a_trace_that_falls_apart_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CONFIRMED")
    spans = clean.traces.of_order[order_id]
    clean.traces.of_order[order_id] = [
        replace(s, parent_id="lost") if s.service == "payments" else s for s in spans
    ]
    caught(invariants.one_trace_per_order(clean), order_id, expected="one root", found="payments")


def test_a_service_without_a_span_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CONFIRMED")
    spans = clean.traces.of_order[order_id]
    clean.traces.of_order[order_id] = [span for span in spans if span.service != "analytics"]
    caught(invariants.one_trace_per_order(clean), order_id, expected="analytics")


def test_traces_that_links_connect_are_one(clean: Evidence) -> None:
    order_id = order_in(clean, "CONFIRMED")
    root, *others = clean.traces.of_order[order_id]
    hops = [
        replace(span, trace_id=f"hop-{span.service}", parent_id="", links=((root.trace_id, root.span_id),))
        for span in others
    ]
    clean.traces.of_order[order_id] = [root, *hops]
    assert invariants.one_trace_per_order(clean).violations == []


def test_without_spans_it_is_said_why_traces_are_not_judged(clean: Evidence) -> None:
    clean.traces.of_order, clean.traces.unjudged = {}, "tracing is off"
    judgement = invariants.one_trace_per_order(clean)
    assert (judgement.violations, judgement.unjudged) == ([], "tracing is off")


# --- 9 --------------------------------------------------------------------------------------------


def test_a_fact_that_the_log_does_not_tell_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "REJECTED")
    clean.facts[order_id]["order_state"] = "CONFIRMED"
    judgement = invariants.projections_follow_the_log(clean)
    caught(judgement, order_id, expected="{'order_state': 'REJECTED'}", found="CONFIRMED")


def test_an_order_that_analytics_never_heard_of_is_caught(clean: Evidence) -> None:
    order_id = order_in(clean, "CONFIRMED")
    del clean.facts[order_id]
    caught(invariants.projections_follow_the_log(clean), order_id, expected="CONFIRMED", found="None")


REPORT_LIES: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("orders-by-state", lambda reports: reports["orders-by-state"]["states"][0].update(orders=99)),
    ("revenue", lambda reports: reports["revenue"]["currencies"][0].update(revenue_minor=1)),
    ("top-products", lambda reports: reports["top-products"]["products"][0].update(quantity=1)),
    ("funnel", lambda reports: reports["funnel"].update(captured=99)),
    ("time-to-confirm", lambda reports: reports["time-to-confirm"].update(p99=99.0)),
]


@pytest.mark.parametrize(("report", "lie"), REPORT_LIES, ids=[name for name, _ in REPORT_LIES])
def test_a_report_that_differs_from_the_log_is_caught(
    clean: Evidence, report: str, lie: Callable[[dict[str, Any]], object]
) -> None:
    lie(clean.reports)
    caught(invariants.projections_follow_the_log(clean), report)


def test_projections_are_not_judged_when_the_log_no_longer_begins_at_its_beginning(clean: Evidence) -> None:
    clean.log.gone_before = {"orders.order.v1": clean.taken_at}
    assert "orders.order.v1" in invariants.projections_follow_the_log(clean).unjudged
