"""A message needs an address: what happens to it, and to the others, without one."""

import json
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from chassis.events import new_id
from chassis.observability.outages import Outages
from notifications.channels import LogChannel, SmtpChannel
from notifications.jobs import deliver

SENDER = "Shopfloor <orders@shopfloor.example>"


def smtp(relay: Any, addresses: Any) -> SmtpChannel:
    return SmtpChannel(relay.url, SENDER, addresses)


@pytest.mark.parametrize(
    ("missing", "reason"), [("absent", "unknown-customer"), ("nameless", "no-address")]
)
async def test_a_customer_without_an_address_delays_no_other_and_is_not_asked_for_again(
    desk: Any, relay: Any, addresses: Any, missing: str, reason: str
) -> None:
    erased, *others = sorted(new_id() for _ in range(3))
    setattr(addresses, missing, frozenset({"cus_erased"}))
    await desk.confirm(erased, customer_id="cus_erased")
    await desk.confirm(*others, customer_id="cus_1")
    assert await deliver(smtp(relay, addresses), desk.database) == 2
    rows = {row["order_id"]: row for row in await desk.rows()}
    assert (rows[erased]["state"], rows[erased]["last_error"]) == ("FAILED", reason)
    assert {rows[order]["state"] for order in others} == {"SENT"}
    assert relay.mailbox.recipients == ["cus_1@customers.example"] * 2
    await desk.let_leases_and_pauses_pass()
    assert await deliver(smtp(relay, addresses), desk.database) == 0
    assert addresses.asked.count("cus_erased") == 1


async def test_while_the_directory_is_away_messages_wait_and_then_go(
    desk: Any, relay: Any, addresses: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    outages = Outages()
    monkeypatch.setattr("notifications.jobs.OUTAGES", outages)
    await desk.confirm(*(new_id() for _ in range(5)), customer_id="cus_1")
    addresses.silent = frozenset({"cus_1"})
    assert await deliver(smtp(relay, addresses), desk.database) == 0
    rows = await desk.rows()
    assert {(row["state"], row["last_error"]) for row in rows} == {("PENDING", "directory-TimeoutError")}
    assert len(addresses.asked) == 2, "a directory that is silent twice in a row is left alone"
    assert outages.is_away("directory")
    assert not outages.is_away("smtp")
    addresses.silent = frozenset()
    await desk.let_leases_and_pauses_pass()
    assert await deliver(smtp(relay, addresses), desk.database) == 5


async def test_an_entry_at_which_the_directory_goes_silent_delays_no_other(
    desk: Any, relay: Any, addresses: Any
) -> None:
    bad, *good = sorted(new_id() for _ in range(4))
    addresses.silent = frozenset({"cus_silent"})
    await desk.confirm(bad, customer_id="cus_silent")
    await desk.confirm(*good, customer_id="cus_1")
    assert await deliver(smtp(relay, addresses), desk.database) == 3
    states = {row["order_id"]: row["state"] for row in await desk.rows()}
    assert states == dict.fromkeys(good, "SENT") | {bad: "PENDING"}


@pytest.mark.parametrize("address", ["grace@navy.example", "two words"])
async def test_an_address_is_in_the_mail_alone(
    desk: Any, relay: Any, addresses: Any, order: UUID, address: str
) -> None:
    addresses.template = address
    await desk.confirm(order, customer_id="cus_1")
    with capture_logs() as lines:
        await deliver(smtp(relay, addresses), desk.database)
    assert address not in json.dumps(lines)
    assert address not in str(await desk.rows())
    assert address not in str(await desk.outbox())


async def test_the_log_asks_for_no_address(desk: Any, addresses: Any, order: UUID) -> None:
    await desk.confirm(order, customer_id="cus_1")
    assert await deliver(LogChannel(), desk.database) == 1
    assert addresses.asked == []
