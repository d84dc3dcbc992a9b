"""What is read out of the log of an order: hops, deciders, times, and which service reads what."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from rich.console import Console

from shop_lab.saga_diff.reading import Saga, chains_of, deciders, is_command, read_by, saga_of, times
from shop_lab.saga_diff.table import print_sagas
from shop_observe.kafka_log import Entry
from shop_observe.timeline import steps_of
from shop_observe.topics import Topic

ORDER = "01980000-0000-7000-8000-00000000000a"
CHOREOGRAPHED = [
    ("orders.order.v1", "orders.order-placed.v1", ""),
    ("inventory.reservation.v1", "inventory.stock-reserved.v1", "orders.order-placed.v1"),
    ("payments.payment.v1", "payments.payment-captured.v1", "inventory.stock-reserved.v1"),
    ("orders.order.v1", "orders.order-confirmed.v1", "payments.payment-captured.v1"),
]
ORCHESTRATED = [
    ("orders.order.v1", "orders.order-placed.v1", ""),
    ("orders.inventory-command.v1", "orders.reserve-stock.v1", "orders.order-placed.v1"),
    ("inventory.reservation.v1", "inventory.stock-reserved.v1", "orders.reserve-stock.v1"),
    ("orders.payments-command.v1", "orders.charge-payment.v1", "inventory.stock-reserved.v1"),
    ("payments.payment.v1", "payments.payment-captured.v1", "orders.charge-payment.v1"),
    ("orders.order.v1", "orders.order-confirmed.v1", "payments.payment-captured.v1"),
]
TOPICS = [
    Topic("orders.order.v1", "orders", ("inventory",), ("orders.order-placed.v1",), compacted=False),
    Topic("inventory.product.v1", "inventory", ("orders",), ("inventory.product-listed.v1",), compacted=True),
]
READ = {"inventory": {"orders.order-placed.v1"}, "orders": {"inventory.product-listed.v1"}}


def log_of(messages: list[tuple[str, str, str]]) -> list[Entry]:
    """The entries of an order. Each is 10 ms after the one before it, and is named by its type."""
    return [
        Entry(
            topic=topic,
            partition=0,
            offset=number,
            sent_ms=0,
            key=ORDER,
            id=type_,
            source=f"/{topic.partition('.')[0]}",
            type=type_,
            correlation_id=ORDER,
            causation_id=cause,
            traceparent="",
            decided_at=f"2026-03-02T09:00:00.{number * 10:03}+00:00",
            value=b"{}",
        )
        for number, (topic, type_, cause) in enumerate(messages)
    ]


def saga(messages: list[tuple[str, str, str]]) -> Saga:
    return saga_of(log_of(messages), [ORDER], TOPICS, READ)


def hops_of(messages: list[tuple[str, str, str]], handled: Mapping[str, Collection[str]] = READ) -> int:
    """Hops to the confirmation."""
    story = steps_of(log_of(messages), ORDER)
    return chains_of(story, handled)["orders.order-confirmed.v1"].hops


def test_hops_are_the_messages_that_caused_each_other() -> None:
    assert hops_of(CHOREOGRAPHED) == 4
    assert hops_of(ORCHESTRATED) == 6
    beside = [*CHOREOGRAPHED, ("orders.order.v1", "orders.order-cancelled.v1", "orders.order-placed.v1")]
    assert hops_of(beside) == 4


def test_a_service_that_needs_two_events_waits_for_both_whichever_it_reads_last() -> None:
    read_last = [*CHOREOGRAPHED[:2], (*CHOREOGRAPHED[2][:2], "orders.order-placed.v1"), CHOREOGRAPHED[3]]
    assert hops_of(read_last) == 3
    both = {"payments": {"orders.order-placed.v1", "inventory.stock-reserved.v1"}}
    assert hops_of(read_last, both) == 4
    story = steps_of(log_of(read_last), ORDER)
    assert deciders(story, chains_of(story, both), after="inventory.stock-reserved.v1") == ["payments"]


def test_a_service_that_carries_out_a_command_decides_nothing() -> None:
    reserved = "inventory.stock-reserved.v1"
    found = []
    for messages in (CHOREOGRAPHED, ORCHESTRATED):
        story = steps_of(log_of(messages), ORDER)
        chains = chains_of(story, READ)
        found.append((deciders(story, chains), deciders(story, chains, after=reserved)))
    assert found == [(["inventory", "orders", "payments"], ["payments"]), (["orders"], ["orders"])]


def test_a_topic_of_commands_is_known_by_its_name() -> None:
    assert is_command("orders.inventory-command.v1")
    assert not is_command("orders.order.v1")
    assert not is_command("inventory.reply.v1")


def test_a_service_reads_what_it_subscribes_to_without_products() -> None:
    assert read_by(TOPICS, READ) == {"inventory": {"orders": ["order-placed"]}}


def test_times_are_the_median_and_both_ends() -> None:
    found = times([10.04, 30.0, 20.0])
    assert (found.median, found.lowest, found.highest) == (20.0, 10.0, 30.0)


def test_both_sagas_are_printed_and_can_be_written_as_json() -> None:
    sagas = {"choreographed": saga(CHOREOGRAPHED), "orchestrated": saga(ORCHESTRATED)}
    console = Console(record=True, width=160, file=None)
    with console.capture() as captured:
        print_sagas(sagas, console)
    text = captured.get()
    assert "orders: → reserve-stock" in text
    assert "hops to the confirmation" in text
    assert json.loads(json.dumps(sagas["orchestrated"].as_json()))["hops"] == 6
    assert sagas["choreographed"].confirmed_ms.median == 30.0
