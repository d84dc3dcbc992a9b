"""Why an order waits, judged from facts alone: each place and each cause is told apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiokafka.partitioner import murmur2

from shop_observe.topics import declared_topics
from shop_oracle.gather import declared_subscriptions
from shop_oracle.why.diagnosis import Answer, answer_of
from shop_oracle.why.facts import Facts, Intent, Lag, Letter, OrderRow, OutboxRow, Place, Trouble

CONTRACTS = Path(__file__).parents[3] / "contracts"
TOPICS = [topic for topic in declared_topics(CONTRACTS) if not topic.compacted]
ORDER = "01985f0e-0000-7000-8000-000000000000"
ORDERS, RESERVATIONS, PAYMENTS = "orders.order.v1", "inventory.reservation.v1", "payments.payment.v1"
READERS = ("inventory", "payments", "analytics")
"""The services that handle an order-placed."""


@pytest.fixture
def facts() -> Facts:
    """An order that was placed 60 s ago. Its first event was sent, and every reader has handled it."""
    facts = Facts({topic.name: topic for topic in TOPICS}, declared_subscriptions(CONTRACTS, TOPICS))
    placed = facts.at - timedelta(seconds=60)
    facts.orders[ORDER] = OrderRow(ORDER, "PENDING", "", placed, facts.at + timedelta(seconds=60))
    facts.outbox.append(event(facts, "orders", 1, ORDERS, "orders.order-placed.v1"))
    facts.inbox |= {(service, "e1") for service in READERS}
    return facts


def event(facts: Facts, service: str, number: int, topic: str, type_: str) -> OutboxRow:
    at = facts.at - timedelta(seconds=60 - number)
    return OutboxRow(service, number, f"e{number}", topic, ORDER, type_, at, "{}", False, "", "")


def wheres(answer: Answer) -> list[str]:
    return [finding.where for finding in answer.findings]


def cures(answer: Answer) -> list[str]:
    return [trouble.cure for trouble in answer.troubles]


def partition() -> int:
    return int(murmur2(ORDER.encode()) % 2**31 % 12)


def trouble(part: str) -> Trouble:
    return Trouble(part, f"{part} is stopped by hand", f"shop start {part}")


def test_an_order_without_a_fault_waits_for_its_next_step_and_is_not_held_up(facts: Facts) -> None:
    answer = answer_of(facts, ORDER)
    assert (answer.is_held_up, answer.is_done, answer.findings) == (False, False, [])
    assert answer.missing[0].service == "inventory"


def test_an_event_that_is_not_sent_lies_in_the_outbox(facts: Facts) -> None:
    facts.inbox.clear()
    facts.outbox = [replace(facts.outbox[0], is_unsent=True)]
    facts.parts = {"orders": trouble("orders"), "kafka": trouble("kafka"), "inventory": trouble("inventory")}
    answer = answer_of(facts, ORDER)
    assert wheres(answer) == [
        f"orders.order-placed.v1 is row 1 of the outbox of orders, and is not sent to {ORDERS}"
    ]
    assert cures(answer) == ["shop start kafka", "shop start orders"]


def test_a_row_that_a_reader_has_handled_was_sent_even_if_the_cursor_is_behind(facts: Facts) -> None:
    facts.outbox = [replace(facts.outbox[0], is_unsent=True)]
    assert answer_of(facts, ORDER).findings == []


@pytest.mark.parametrize(
    ("aside", "cure"),
    [
        ("REFUSED", "shop outbox send-again orders --id 1"),
        ("DELAYED", "shop up"),
        ("GIVEN_UP", "docs/runbooks/events-not-sent.md"),
    ],
)
def test_a_row_that_is_set_aside_has_a_cure_by_its_state(facts: Facts, aside: str, cure: str) -> None:
    facts.outbox = [replace(facts.outbox[0], aside=aside, error="too large")]
    assert cures(answer_of(facts, ORDER)) == [cure]


def test_a_delayed_row_behind_a_refused_one_waits_for_that(facts: Facts) -> None:
    refused = replace(facts.outbox[0], aside="REFUSED")
    delayed = replace(event(facts, "orders", 2, ORDERS, "orders.order-cancelled.v1"), aside="DELAYED")
    facts.outbox = [refused, delayed]
    answer = answer_of(facts, ORDER)
    assert len(answer.findings) == 2
    assert cures(answer) == ["shop outbox send-again orders --id 1"]


def test_an_unread_event_is_named_with_its_partition_and_the_lag_of_its_reader(facts: Facts) -> None:
    facts.inbox.discard(("inventory", "e1"))
    facts.lags = {Place("inventory", ORDERS, partition()): Lag(7, 10)}
    facts.parts["inventory"] = trouble("inventory")
    answer = answer_of(facts, ORDER)
    assert wheres(answer)[0].endswith(
        f"{ORDERS}[{partition()}], where inventory has 3 messages unread from offset 7"
    )
    assert cures(answer) == ["shop start inventory"]


def test_an_event_that_its_reader_has_passed_without_handling_it_is_lost(facts: Facts) -> None:
    facts.inbox.discard(("inventory", "e1"))
    facts.lags = {Place("inventory", ORDERS, partition()): Lag(10, 10)}
    assert cures(answer_of(facts, ORDER)) == ["shop republish orders"]
    facts.outbox = [replace(facts.outbox[0], at=facts.at)]
    assert not answer_of(facts, ORDER).is_held_up


def letter(state: str, event_id: str = "e1") -> Letter:
    return Letter(
        "inventory", 4, state, "handler-failed", ORDERS, 3, 41, ORDER, event_id, "orders.order-placed.v1"
    )


def test_a_held_dead_letter_is_redriven_and_what_waits_behind_it_names_it(facts: Facts) -> None:
    facts.inbox.discard(("inventory", "e1"))
    facts.letters = [letter("HELD")]
    facts.outbox.append(event(facts, "orders", 2, ORDERS, "orders.order-cancelled.v1"))
    facts.inbox |= {(service, "e2") for service in ("payments", "analytics", "notifications")}
    answer = answer_of(facts, ORDER)
    assert "it waits behind dead letter 4" in wheres(answer)[0]
    assert "is dead letter 4 of inventory (HELD)" in wheres(answer)[1]
    assert cures(answer) == [f"shop dead-letters redrive inventory --key {ORDER}"]


def test_the_copy_of_a_dead_letter_is_no_event_of_the_order(facts: Facts) -> None:
    facts.outbox.append(event(facts, "inventory", 2, "inventory.dead-letters", "inventory.dead-lettered.v1"))
    answer = answer_of(facts, ORDER)
    assert (answer.is_held_up, answer.findings) == (False, [])


def test_a_parked_dead_letter_of_a_foreign_record_is_discarded(facts: Facts) -> None:
    facts.letters = [letter("PARKED", event_id="")]
    assert cures(answer_of(facts, ORDER)) == ["shop dead-letters discard inventory --id 4"]


@pytest.mark.parametrize(
    ("service", "kind", "part"),
    [
        ("payments", "charge", "processor"),
        ("payments", "refund", "processor"),
        ("notifications", "message (x)", "issuer"),
    ],
)
def test_open_work_outside_waits_for_the_part_that_it_calls(
    facts: Facts, service: str, kind: str, part: str
) -> None:
    facts.intents = [Intent(service, kind, ORDER, 2, facts.at + timedelta(seconds=5))]
    assert not answer_of(facts, ORDER).is_held_up
    facts.parts[part] = trouble(part)
    answer = answer_of(facts, ORDER)
    assert wheres(answer) == [f"a {kind} of {service} is not done after 2 attempts; the next one is in 5 s"]
    assert cures(answer) == [f"shop start {part}"]


def test_a_message_that_has_failed_leads_to_its_runbook(facts: Facts) -> None:
    facts.intents = [Intent("notifications", "message (confirmed)", ORDER, 9, None, "refused")]
    assert cures(answer_of(facts, ORDER)) == ["docs/runbooks/failed-messages.md"]


def test_a_failed_check_counts_only_if_no_other_cause_is_seen(facts: Facts) -> None:
    facts.unready["inventory"] = [Trouble("inventory", "inventory is not ready", "shop logs inventory")]
    assert cures(answer_of(facts, ORDER)) == ["shop logs inventory"]
    facts.locks["inventory"] = [Trouble("postgres", "a lock", "shop end-session inventory 7")]
    assert cures(answer_of(facts, ORDER)) == ["shop end-session inventory 7"]


def test_databases_that_are_away_for_one_reason_are_one_finding(facts: Facts) -> None:
    facts.databases = dict.fromkeys(("orders", "payments"), trouble("postgres"))
    facts.orders.clear()
    answer = answer_of(facts, ORDER)
    assert wheres(answer)[0] == "what orders, payments knows of it cannot be read"
    assert cures(answer) == ["shop start postgres"]
    assert answer.is_known


def test_an_order_that_outlives_its_deadline_is_a_fault_of_orders(facts: Facts) -> None:
    facts.orders[ORDER] = replace(facts.orders[ORDER], deadline_at=facts.at - timedelta(seconds=1))
    facts.parts["orders"] = trouble("orders")
    assert cures(answer_of(facts, ORDER)) == ["shop start orders"]


def test_an_order_that_nobody_has_is_unknown(facts: Facts) -> None:
    assert not answer_of(facts, "another").is_known


def test_an_ended_order_whose_events_are_handled_is_done(facts: Facts) -> None:
    facts.orders[ORDER] = replace(facts.orders[ORDER], state="CANCELLED")
    facts.outbox += [
        event(facts, "orders", 2, ORDERS, "orders.order-cancelled.v1"),
        replace(
            event(
                facts,
                "notifications",
                3,
                "notifications.notification.v1",
                "notifications.notification-sent.v1",
            ),
            data='{"kind": "cancelled"}',
        ),
    ]
    for reader in (*READERS, "notifications"):
        facts.inbox |= {(reader, "e2"), (reader, "e3")}
    assert answer_of(facts, ORDER).is_done
    assert answer_of(facts, ORDER).as_json()["held_up"] is False
