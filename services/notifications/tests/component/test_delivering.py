"""Letters go out at least once, under a Message-ID that never changes, and nothing is lost."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from chassis.events import new_id
from chassis.testing import statements
from notifications import handlers, jobs
from notifications.channels import Channel, LogChannel, Send, SmtpChannel, Unavailable
from notifications.domain import Kind, Letter, message_id
from notifications.jobs import count_failed, deliver

NOT_ADDRESSES = ["a\r\nBcc: everybody@example", "two words", "a@b@c", "", "a<b"]
SENDER = "Shopfloor <orders@shopfloor.example>"
TEMPLATE = "{customer_id}@customers.example"


def smtp(url: str) -> SmtpChannel:
    return SmtpChannel(url, SENDER, TEMPLATE)


def letter_to(customer_id: str) -> Letter:
    id = new_id()
    return Letter(
        id=id,
        order_id=id,
        kind=Kind.CONFIRMED,
        customer_id=customer_id,
        message_id=message_id(id),
        amount="12.99 EUR",
        reason=None,
        created_at=datetime.now(UTC),
        attempts=1,
    )


class BrokenChannel:
    """Takes `takes` letters, then is gone."""

    name = "broken"

    def __init__(self, takes: int) -> None:
        self.takes = takes
        self.taken: list[Letter] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send]:
        async def send(letter: Letter) -> None:
            if len(self.taken) == self.takes:
                raise Unavailable("gone")
            self.taken.append(letter)

        yield send


class SilentChannel:
    """Never answers."""

    name = "silent"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send]:
        async def send(letter: Letter) -> None:
            await asyncio.Event().wait()

        yield send


async def test_the_log_says_order_and_outcome_and_nothing_about_the_customer(desk: Any, order: UUID) -> None:
    await desk.confirm(order, customer_id="customer-ada")
    with capture_logs() as lines:
        assert await deliver(LogChannel(), desk.database) == 1
    (line,) = lines
    assert line["order_id"] == str(order)
    assert line["kind"] == "confirmed"
    assert "ada" not in json.dumps(line)


async def test_what_was_sent_is_published_with_the_cause_of_the_notification(desk: Any, order: UUID) -> None:
    await desk.confirm(order)
    await deliver(LogChannel(), desk.database)
    (row,) = await desk.rows()
    (event,) = await desk.outbox()
    assert (row["state"], row["channel"], row["last_error"]) == ("SENT", "log", None)
    assert event["type"] == "notifications.notification-sent.v1"
    assert event["key"] == str(order)
    assert event["causation_id"] == row["cause_event_id"]
    assert event["correlation_id"] == row["correlation_id"]
    data = json.loads(event["data"])
    assert (data["notification_id"], data["kind"], data["channel"]) == (str(row["id"]), "confirmed", "log")


async def test_an_email_goes_out_with_everything_that_a_mailbox_needs(
    desk: Any, relay: Any, order: UUID
) -> None:
    await desk.confirm(order)
    assert await deliver(smtp(relay.url), desk.database) == 1
    (row,) = await desk.rows()
    (mail,) = relay.mailbox.messages
    assert mail["Message-ID"] == row["message_id"] == f"<{row['id']}@shopfloor.example>"
    assert f"Message-ID: {row['message_id']}".encode() in mail.as_bytes().splitlines()
    assert mail["To"] == "customer-ada@customers.example"
    assert mail["From"] == SENDER
    assert mail.get_content_type() == "text/plain"
    assert "25.98 EUR" in mail.get_content()
    assert (row["state"], row["channel"]) == ("SENT", "smtp")


async def test_after_a_crash_between_sending_and_recording_the_same_message_is_sent_again(
    desk: Any, relay: Any, order: UUID
) -> None:
    await desk.confirm(order)
    channel = smtp(relay.url)
    async with desk.database.transaction() as tx:
        (letter,) = await handlers.claim_letters(tx)
    async with channel.open() as send:
        await send(letter)
    # Here the process is killed. Nothing was recorded; the lease keeps others away until it is over.
    assert await deliver(channel, desk.database) == 0
    await desk.let_leases_and_pauses_pass()
    assert await deliver(channel, desk.database) == 1
    first, second = relay.mailbox.messages
    assert first["Message-ID"] == second["Message-ID"]
    assert first.as_bytes() == second.as_bytes()
    assert len(await desk.outbox()) == 1


async def test_two_who_delivered_the_same_letter_publish_it_once(desk: Any, order: UUID) -> None:
    await desk.confirm(order)
    async with desk.database.transaction() as tx:
        letters = await handlers.claim_letters(tx)
    for _ in range(2):
        async with desk.database.transaction() as tx:
            await handlers.record_delivery(tx, "log", letters, {})
    assert len(await desk.outbox()) == 1


async def test_deliverers_at_work_at_once_share_the_letters(desk: Any) -> None:
    orders = [new_id() for _ in range(150)]
    await desk.confirm(*orders)
    sent = await asyncio.gather(*(deliver(LogChannel(), desk.database) for _ in range(3)))
    sent += [await deliver(LogChannel(), desk.database)]
    assert sum(sent) == 150
    assert sorted(row["key"] for row in await desk.outbox()) == sorted(map(str, orders))


async def test_while_the_relay_is_away_letters_wait_and_then_go(desk: Any, relay: Any, order: UUID) -> None:
    await desk.confirm(order)
    relay.stop()
    for attempt in range(1, 4):
        assert await deliver(smtp(relay.url), desk.database) == 0
        (row,) = await desk.rows()
        assert (row["state"], row["attempts"], row["last_error"]) == ("PENDING", attempt, "SMTPConnectError")
        await desk.let_leases_and_pauses_pass()
    relay.start()
    assert await deliver(smtp(relay.url), desk.database) == 1


async def test_a_letter_that_failed_often_is_left_alone_for_minutes(desk: Any, order: UUID) -> None:
    await desk.confirm(order)
    await desk.pretend_attempts(20)
    assert await deliver(BrokenChannel(takes=0), desk.database) == 0
    assert await desk.seconds_until_due() > 200


async def test_an_address_that_the_relay_refuses_does_not_stop_the_others(desk: Any, relay: Any) -> None:
    good, bad = new_id(), new_id()
    relay.mailbox.refuse = "customer-gone@"
    await desk.confirm(bad, customer_id="customer-gone")
    await desk.confirm(good)
    assert await deliver(smtp(relay.url), desk.database) == 1
    rows = {row["order_id"]: row for row in await desk.rows()}
    assert rows[good]["state"] == "SENT"
    assert (rows[bad]["state"], rows[bad]["last_error"]) == ("FAILED", "smtp-550")
    await desk.let_leases_and_pauses_pass()
    assert await deliver(smtp(relay.url), desk.database) == 0
    assert (await desk.rows())[0]["attempts"] == 1


async def test_a_message_that_the_relay_refuses_for_good_is_given_up(
    desk: Any, relay: Any, order: UUID
) -> None:
    await desk.confirm(order)
    relay.mailbox.answer = "554 not here"
    assert await deliver(smtp(relay.url), desk.database) == 0
    (row,) = await desk.rows()
    assert (row["state"], row["last_error"]) == ("FAILED", "smtp-554")


async def test_a_mailbox_that_is_full_for_now_gets_the_message_later(
    desk: Any, relay: Any, order: UUID
) -> None:
    await desk.confirm(order)
    relay.mailbox.refuse, relay.mailbox.refusal = "customer-ada@", "552 too many recipients"
    assert await deliver(smtp(relay.url), desk.database) == 0
    (row,) = await desk.rows()
    assert (row["state"], row["last_error"]) == ("PENDING", "smtp-552")


async def test_messages_that_failed_are_counted(desk: Any, relay: Any) -> None:
    await desk.confirm(new_id(), new_id(), customer_id="two words")
    await deliver(smtp(relay.url), desk.database)
    assert await count_failed(desk.database) == 0
    assert REGISTRY.get_sample_value("chassis_items_failed", {"kind": "notification"}) == 2


@given(customer_id=st.text(max_size=80) | st.sampled_from([*NOT_ADDRESSES, "\ud800"]))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_customer_id_stops_the_letters_after_it(relay: Any, customer_id: str) -> None:
    channel = smtp(relay.url)
    taken = len(relay.mailbox.messages)
    first, second = letter_to(customer_id), letter_to("customer-ada")
    sent, late, undeliverable = await jobs._send_all(channel, [first, second])
    assert late == {}
    assert [letter.id for letter in sent] == [
        letter.id for letter in (first, second) if letter.id not in undeliverable
    ]
    assert second.id not in undeliverable
    assert len(relay.mailbox.messages) - taken == len(sent)


@pytest.mark.parametrize("customer_id", NOT_ADDRESSES)
async def test_a_customer_id_that_gives_no_address_is_set_aside(
    desk: Any, relay: Any, order: UUID, customer_id: str
) -> None:
    await desk.confirm(order, customer_id=customer_id)
    assert await deliver(smtp(relay.url), desk.database) == 0
    (row,) = await desk.rows()
    assert (row["state"], row["last_error"]) == ("FAILED", "invalid-address")
    assert relay.mailbox.messages == []


async def test_a_relay_that_refuses_for_now_gets_the_message_later(
    desk: Any, relay: Any, order: UUID
) -> None:
    await desk.confirm(order)
    relay.mailbox.answer = "451 try later"
    assert await deliver(smtp(relay.url), desk.database) == 0
    relay.mailbox.answer = "250 taken"
    await desk.let_leases_and_pauses_pass()
    assert await deliver(smtp(relay.url), desk.database) == 1


async def test_a_channel_that_goes_away_keeps_what_it_took(desk: Any) -> None:
    await desk.confirm(*(new_id() for _ in range(5)))
    channel = BrokenChannel(takes=2)
    assert await deliver(channel, desk.database) == 2
    rows = await desk.rows()
    sent = {row["id"] for row in rows if row["state"] == "SENT"}
    assert sent == {letter.id for letter in channel.taken}
    assert {row["last_error"] for row in rows if row["state"] == "PENDING"} == {"gone"}


async def test_a_channel_that_never_answers_is_given_up_before_the_lease_ends(
    desk: Any, order: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.domain.SENDING_SECONDS", 0.05)
    await desk.confirm(order)
    silent: Channel = SilentChannel()
    assert await deliver(silent, desk.database) == 0
    (row,) = await desk.rows()
    assert (row["state"], row["last_error"]) == ("PENDING", "out-of-time")


async def test_a_batch_of_letters_costs_a_constant_number_of_statements(desk: Any) -> None:
    counts = []
    for size in (1, 80):
        await desk.confirm(*(new_id() for _ in range(size)))
        with statements() as sent:
            assert await deliver(LogChannel(), desk.database) == size
        counts.append(len(sent))
    assert counts == [3, 3], "claim, mark, outbox"


async def test_with_nothing_due_the_job_asks_once_and_rests(desk: Any) -> None:
    with statements() as sent:
        assert await deliver(LogChannel(), desk.database) == 0
    assert len(sent) == 1
