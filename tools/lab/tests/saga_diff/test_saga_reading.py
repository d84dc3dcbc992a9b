"""What is read out of the log of an order: hops, deciders, times, and which service reads what."""

from __future__ import annotations

import json
from dataclasses import replace

from rich.console import Console

from shop_lab.saga_diff.reading import Saga, deciders, hops_of, is_command, read_by, saga_of, times
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


def test_hops_are_the_messages_that_caused_each_other() -> None:
    assert hops_of(steps_of(log_of(CHOREOGRAPHED), ORDER)) == 4
    assert hops_of(steps_of(log_of(ORCHESTRATED), ORDER)) == 6
    beside = [*CHOREOGRAPHED, ("orders.order.v1", "orders.order-cancelled.v1", "orders.order-placed.v1")]
    assert hops_of(steps_of(log_of(beside), ORDER)) == 4


def test_the_order_with_the_longest_chain_is_shown() -> None:
    """Payments has read the placed order last, so it is the cause of the charge."""
    short = [*CHOREOGRAPHED[:2], (*CHOREOGRAPHED[2][:2], "orders.order-placed.v1"), CHOREOGRAPHED[3]]
    other = ORDER.replace("a", "b")
    entries = [*log_of(CHOREOGRAPHED), *(replace(entry, key=other) for entry in log_of(short))]
    for order_ids in ([ORDER, other], [other, ORDER]):
        found = saga_of(entries, order_ids, TOPICS, READ)
        assert found.hops == 4
        assert found.changes["a further step after stock-reserved"] == ["payments"]


def test_a_service_that_carries_out_a_command_decides_nothing() -> None:
    both = [steps_of(log_of(messages), ORDER) for messages in (CHOREOGRAPHED, ORCHESTRATED)]
    assert [deciders(story) for story in both] == [["inventory", "orders", "payments"], ["orders"]]
    reserved = "inventory.stock-reserved.v1"
    assert [deciders(story, after=reserved) for story in both] == [["payments"], ["orders"]]


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
