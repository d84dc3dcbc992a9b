"""The floor keeps a part of the log in memory. This part stays within its limits."""

from __future__ import annotations

from dataclasses import replace

from shop_floor import memory
from shop_floor.memory import Memory
from tools.floor.tests.scenes import TOPICS, confirmed, declined, placed_order


def test_an_order_is_summed_up_by_its_events() -> None:
    kept = Memory(TOPICS)
    order = declined()
    assert kept.add(order.entries) == {order.id}
    summary = kept.summaries(5)[0]
    assert (summary["state"], summary["events"], summary["last"]) == ("REJECTED", 6, "notification-sent")
    assert (summary["compensated"], summary["foreign"]) == (True, False)
    assert kept.totals()["outcomes"] == {"PENDING": 1, "REJECTED": 1}


def test_a_hundred_thousand_orders_leave_the_newest_and_a_count() -> None:
    kept = Memory(TOPICS)
    entry = placed_order().entries[0]
    for number in range(100_000):
        kept.add([replace(entry, key=f"{number}")])
    assert list(kept.orders) == [f"{number}" for number in range(100_000 - memory.MOST_ORDERS, 100_000)]
    assert (len(kept.newest), kept.records[entry.topic]) == (memory.MOST_RECORDS, 100_000)
    assert kept.dropped == 100_000 - memory.MOST_ORDERS
    assert kept.size == memory.MOST_ORDERS * len(entry.value)


def test_long_values_are_not_kept_and_many_long_ones_push_older_orders_out() -> None:
    kept = Memory(TOPICS)
    entry = placed_order().entries[0]
    kept.add([replace(entry, value=b"x" * (memory.MOST_VALUE + 1))])
    stored = kept.orders[entry.key].entries[0]
    assert (stored.value, stored.fault) == (b"", "its value of 16,001 bytes is not kept")
    full = replace(entry, value=b"x" * memory.MOST_VALUE)
    for number in range(40):
        kept.add([replace(full, key=f"{number}")] * memory.MOST_RECORDS_OF_AN_ORDER)
    assert kept.size <= memory.MOST_BYTES
    assert list(kept.orders)[-1] == "39"


def test_one_order_with_endless_records_keeps_the_first_ones() -> None:
    kept = Memory(TOPICS)
    order = placed_order()
    kept.add(order.entries * 1_000)
    assert len(kept.orders[order.id].entries) == memory.MOST_RECORDS_OF_AN_ORDER


def test_a_foreign_record_is_counted_and_ends_no_order() -> None:
    kept = Memory(TOPICS)
    order = placed_order()
    ending = replace(confirmed(order.placed).entries[3], key=order.id, fault="its data is no JSON")
    kept.add([*order.entries, ending])
    assert (kept.foreign, kept.orders[order.id].state) == (1, "PENDING")
    assert "CONFIRMED" not in kept.outcomes
