"""`shop send` on a running shop: the record arrives at its place, and its readers do what they must."""

import json
from typing import Any
from uuid import uuid4

import pytest

from shop_stack.ports import SERVICES
from tests.runbooks.drills.faults import letters_of
from tests.runbooks.drills.shop import Shop, soon


async def sent(shop: Shop, arguments: str) -> dict[str, Any]:
    """Run `shop send` and read its answer."""
    output = await shop.bash(f".venv/bin/shop send {arguments} --json 2>&1")
    assert output.code == 0, output
    answer: dict[str, Any] = output.json
    return answer


async def test_a_record_sent_twice_has_two_places_and_one_effect(shop: Shop) -> None:
    key = str(uuid4())
    changes = f"--set order_id={key} --set reason=unknown-order"
    answer = await sent(shop, f"order-cancelled {changes} --twice")
    first, second = answer["sent"]
    assert (second["offset"] - first["offset"], answer["key"], answer["refused"]) == (1, key, None)

    async def is_handled_once() -> None:
        count = f"SELECT count(*) FROM inbox WHERE event_id = '{answer['event_id']}'"
        assert await shop.sql("payments", count) == 1
        assert await shop.sql("payments", f"SELECT count(*) FROM payments WHERE order_id = '{key}'") == 1

    await soon(is_handled_once, 40)


async def test_a_corrupt_record_becomes_a_dead_letter_that_the_next_command_lists(shop: Shop) -> None:
    told = await shop.bash(".venv/bin/shop send stock-reserved --corrupt wrong-source")
    assert told.code == 0, told
    place, then = told.text.strip().splitlines()
    assert place.startswith("inventory.reservation.v1[")
    assert "Its readers are orders, payments, analytics." in then
    command = then.split("`")[1]

    async def is_listed() -> None:
        listed = json.loads((await shop.bash(f".venv/bin/{command} --json")).text)
        assert [len(listed[service]) for service in ("orders", "payments", "analytics")] == [1, 1, 1]

    await soon(is_listed, 40)


async def test_a_damaged_batch_is_refused_by_the_broker_and_no_reader_gets_it(shop: Shop) -> None:
    answer = await sent(shop, "order-placed --corrupt wrong-checksum")
    assert (answer["sent"], answer["refused"]) == ([], "CorruptRecordException")
    told = await shop.bash(".venv/bin/shop send order-placed --corrupt wrong-checksum")
    assert "The broker refused it (CorruptRecordException): no reader gets it." in told.text
    assert [await letters_of(shop, service) for service in SERVICES] == [[]] * len(SERVICES)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("order-paid", "There is no event 'order-paid'"),
        ("order-placed --set lines.0.quantity=-1", "Send it all the same with --raw"),
        ("order-placed --corrupt x", "There is no fault 'x'"),
    ],
)
async def test_a_wish_that_cannot_be_met_is_one_sentence(shop: Shop, arguments: str, sentence: str) -> None:
    output = await shop.bash(f".venv/bin/shop send {arguments}")
    assert (output.code, sentence in output.text, output.text.count("\n")) == (1, True, 1)


async def test_without_kafka_the_sender_says_so(shop: Shop) -> None:
    await shop.stop("kafka")
    output = await shop.bash(".venv/bin/shop send order-placed")
    assert output.code == 1
    assert "shop status" in output.text or "Kafka" in output.text
    await shop.start("kafka")
    elsewhere = await shop.bash("SHOP_TARGET=compose .venv/bin/shop send order-placed")
    assert (elsewhere.code, "needs the embedded stack" in elsewhere.text) == (1, True)
