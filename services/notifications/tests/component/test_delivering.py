"""Letters go out at least once, under a Message-ID that never changes, and nothing is lost."""

import asyncio
import json
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from sqlalchemy import text
from structlog.testing import capture_logs

from chassis.events import new_id
from chassis.jobs import TryLater
from notifications import handlers, jobs, metrics
from notifications.channels import Channel, ChannelUnavailable, LogChannel, Send, SmtpChannel
from notifications.directory import Directory
from notifications.domain import Accepted, Kind, Message, Rejected, message_id
from notifications.jobs import deliver
from testkit import statements

NOT_ADDRESSES = ["a\r\nBcc: everybody@example", "two words", "a@b@c", "", "a<b"]
OF_ANOTHER = ["ada(2)", "ada (x)", '"ada"', "(x)ada", " ada", "ada\t", "=?utf-8?q?ada?="]
"""Names in front of the @ that a parser of addresses reads as `ada`."""
SENDER = "Shopfloor <orders@shopfloor.example>"


class Addresses(Directory):
    """The directory, without its HTTP: each customer's address has the customer's id in the place of {}."""

    def __init__(self, template: str = "{}@customers.example") -> None:
        super().__init__("http://127.0.0.1:1", "http://127.0.0.1:1", ("notifications", "secret"))
        self._template = template

    async def address_of(self, customer_id: str) -> str:
        return self._template.format(customer_id)


def smtp(url: str) -> SmtpChannel:
    return SmtpChannel(url, SENDER, Addresses())


def message_to(customer_id: str) -> Message:
    id = new_id()
    return Message(
        id=id,
        order_id=id,
        kind=Kind.CONFIRMED,
        customer_id=customer_id,
        message_id=message_id(id),
        amount="12.99 EUR",
        reason=None,
        sold_out=(),
        created_at=datetime.now(UTC),
        attempts=1,
    )


async def send_all(
    channel: Channel, messages: list[Message]
) -> tuple[list[Message], dict[UUID, str], dict[UUID, str]]:
    """The messages sent, those to send later, and those that no channel will ever take, with the reasons."""
    sent: list[Message] = []
    late: dict[UUID, str] = {}
    undeliverable: dict[UUID, str] = {}
    async with jobs.delivering(channel) as deliver_one:
        for message in messages:
            try:
                outcome = await deliver_one(message)
            except TryLater as error:
                late[message.id] = str(error)
                continue
            match outcome:
                case Accepted():
                    sent.append(message)
                case Rejected(reason):
                    undeliverable[message.id] = reason
    return sent, late, undeliverable


class BrokenChannel:
    """Takes `takes` messages, then is gone."""

    name = "broken"

    def __init__(self, takes: int) -> None:
        self.takes = takes
        self.taken: list[Message] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send]:
        async def send(message: Message) -> None:
            if len(self.taken) == self.takes:
                raise ChannelUnavailable("gone")
            self.taken.append(message)

        yield send


class SilentChannel:
    """Never answers."""

    name = "silent"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send]:
        async def send(message: Message) -> None:
            await asyncio.Event().wait()

        yield send


async def test_the_log_says_order_and_outcome_and_nothing_about_the_customer(desk: Any, order: UUID) -> None:
    await desk.confirm(order, customer_id="customer-ada")
    with capture_logs() as lines:
        assert await deliver(LogChannel(), desk.database) == 1
    (line,) = lines
    assert line["order_id"] == str(order)
    assert line["kind"] == "confirmed"
    assert "customer-ada" not in json.dumps(line)  # "ada" alone may be a part of an id


async def test_the_log_has_the_message_as_the_customer_would_read_it(desk: Any, order: UUID) -> None:
    await desk.confirm(order, customer_id="customer-ada")
    with capture_logs() as lines:
        await deliver(LogChannel(), desk.database)
    (line,) = lines
    assert line["subject"] == f"Your order {order} is confirmed"
    assert "your order is confirmed and paid: " in line["text"]
    assert str(order) in line["text"]
    assert "customers.example" not in json.dumps(line)


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
        (message,) = await handlers.claim_messages(tx, 100, 20)
    async with channel.open() as send:
        await send(message)
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
        messages = await handlers.claim_messages(tx, 100, 20)
    for _ in range(2):
        async with desk.database.transaction() as tx:
            await handlers.record_delivery(tx, [(message, Accepted("log")) for message in messages])
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


async def read_gauges(database: Any) -> None:
    """What a scrape of /metrics does."""
    async with database.reading() as connection:
        await metrics.read_gauges(connection)


async def test_messages_that_failed_are_counted(desk: Any, relay: Any) -> None:
    await desk.confirm(new_id(), new_id(), customer_id="two words")
    await deliver(smtp(relay.url), desk.database)
    await read_gauges(desk.database)
    assert REGISTRY.get_sample_value("chassis_items_failed", {"kind": "notification"}) == 2


WRITTEN_AS_ADA = st.lists(
    st.sampled_from(["ada", "(2)", '"', " ", ".", "\\", "@", "=?utf-8?q?ada?="]), max_size=6
)


@given(
    customer_id=st.text(max_size=80)
    | WRITTEN_AS_ADA.map("".join)
    | st.sampled_from([*NOT_ADDRESSES, *OF_ANOTHER, "\ud800"])
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_address_stops_the_letters_after_it(relay: Any, customer_id: str) -> None:
    channel = smtp(relay.url)
    taken = len(relay.mailbox.recipients)
    first, second = message_to(customer_id), message_to("customer-ada")
    sent, late, undeliverable = await send_all(channel, [first, second])
    assert late == {}
    assert [message.id for message in sent] == [
        message.id for message in (first, second) if message.id not in undeliverable
    ]
    assert second.id not in undeliverable
    mailboxes = [f"{message.customer_id}@customers.example" for message in sent]
    assert relay.mailbox.recipients[taken:] == mailboxes, "a message goes to its own customer and to no other"


@pytest.mark.parametrize("customer_id", [*NOT_ADDRESSES, *OF_ANOTHER])
async def test_an_address_that_is_none_is_set_aside(
    desk: Any, relay: Any, order: UUID, customer_id: str
) -> None:
    await desk.confirm(order, customer_id=customer_id)
    assert await deliver(smtp(relay.url), desk.database) == 0
    (row,) = await desk.rows()
    assert (row["state"], row["last_error"]) == ("FAILED", "invalid-address")
    assert relay.mailbox.messages == []


@pytest.mark.parametrize(
    ("sender", "template", "customer_id", "state"),
    [
        ("ä@x.example", "{}@customers.example", "ada", "PENDING"),
        (SENDER, "{}@ä.example", "ada", "FAILED"),
        (SENDER, "orders@{}.example", "ädä", "FAILED"),
    ],
)
async def test_only_the_customers_own_letters_make_a_message_undeliverable(
    desk: Any, relay: Any, order: UUID, sender: str, template: str, customer_id: str, state: str
) -> None:
    relay.stop()
    relay.start(enable_SMTPUTF8=False)
    await desk.confirm(order, customer_id=customer_id)
    assert await deliver(SmtpChannel(relay.url, sender, Addresses(template)), desk.database) == 0
    (row,) = await desk.rows()
    assert (row["state"], row["last_error"]) == (state, "smtputf8-not-supported")


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
    assert sent == {message.id for message in channel.taken}
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


@pytest.mark.parametrize("login", ["user:hunter2", "a-token-as-user-name"])
async def test_a_login_is_not_sent_to_a_relay_without_tls(
    desk: Any, relay: Any, order: UUID, unused_tcp_port_factory: Callable[[], int], login: str
) -> None:
    passwords: list[Any] = []

    def log_in(*arguments: Any) -> AuthResult:
        passwords.append(arguments[-1])
        return AuthResult(success=True)

    port = unused_tcp_port_factory()
    plain = Controller(
        relay.mailbox, hostname="127.0.0.1", port=port, auth_require_tls=False, authenticator=log_in
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # aiosmtpd warns of what this test is about
        plain.start()
    await desk.confirm(order)
    await deliver(smtp(f"smtp://{login}@127.0.0.1:{port}"), desk.database)
    plain.stop()
    (row,) = await desk.rows()
    assert row["state"] == "PENDING"
    assert passwords == []
    assert relay.mailbox.messages == []


async def test_a_relay_that_accepts_and_never_answers_delays_the_letters_and_nothing_else(
    desk: Any, order: UUID
) -> None:
    taken: list[asyncio.StreamWriter] = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)

    silent = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    await desk.confirm(order)
    channel = SmtpChannel(f"smtp://127.0.0.1:{port}", SENDER, Addresses(), timeout=0.2)
    async with asyncio.timeout(10):
        assert await deliver(channel, desk.database) == 0
    (row,) = await desk.rows()
    assert row["state"] == "PENDING"
    silent.close()
    for writer in taken:
        writer.transport.abort()


@pytest.mark.parametrize("hangs_up", [False, True])
async def test_a_recipient_at_whom_the_relay_goes_silent_delays_no_other(
    desk: Any, relay: Any, hangs_up: bool
) -> None:
    bad, *good = sorted(new_id() for _ in range(5))
    await desk.confirm(bad, customer_id="slow")
    await desk.confirm(*good)
    relay.mailbox.silent_at, relay.mailbox.hangs_up = "slow@", hangs_up
    channel = SmtpChannel(relay.url, SENDER, Addresses(), timeout=1.5)
    assert await deliver(channel, desk.database) == len(good)
    states = {row["order_id"]: row["state"] for row in await desk.rows()}
    assert relay.mailbox.asked[0] == "slow@customers.example"
    assert states == dict.fromkeys(good, "SENT") | {bad: "PENDING"}


async def test_a_relay_that_goes_silent_twice_in_a_row_is_left_alone(desk: Any, relay: Any) -> None:
    await desk.confirm(*(new_id() for _ in range(5)))
    relay.mailbox.silent_at, relay.mailbox.hangs_up = "customer-ada@", True
    assert await deliver(smtp(relay.url), desk.database) == 0
    assert len(relay.mailbox.asked) == 2
    assert {row["state"] for row in await desk.rows()} == {"PENDING"}


async def test_a_letter_that_failed_is_tried_after_those_that_did_not(desk: Any) -> None:
    bad, *good = sorted(new_id() for _ in range(3))
    await desk.confirm(bad)
    assert await deliver(BrokenChannel(takes=0), desk.database) == 0
    await desk.confirm(*good)
    await desk.let_leases_and_pauses_pass()
    channel = BrokenChannel(takes=3)
    assert await deliver(channel, desk.database) == 3
    assert [letter.order_id for letter in channel.taken] == [*good, bad]


async def test_one_message_that_cannot_be_recorded_leaves_the_others_recorded_and_is_not_lost(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [new_id() for _ in range(5)]
    bad = orders[2]
    await desk.confirm(*orders)
    record = handlers.record_delivery

    async def fails_with_the_bad_one(tx: Any, sent: Any) -> None:
        if bad in {message.order_id for message, _ in sent}:
            raise ValueError("the event is too large for Kafka")
        await record(tx, sent)

    monkeypatch.setattr(handlers, "record_delivery", fails_with_the_bad_one)
    assert await deliver(LogChannel(), desk.database) == 4
    states = {row["order_id"]: (row["state"], row["last_error"]) for row in await desk.rows()}
    assert states.pop(bad) == ("PENDING", "not-recorded")
    assert set(states.values()) == {("SENT", None)}
    monkeypatch.setattr(handlers, "record_delivery", record)
    channel = BrokenChannel(takes=5)
    await desk.let_leases_and_pauses_pass()
    assert await deliver(channel, desk.database) == 1
    assert [message.order_id for message in channel.taken] == [bad], "the others are not sent again"


async def test_a_message_that_raises_an_unexpected_error_is_postponed_alone(desk: Any) -> None:
    orders = [new_id() for _ in range(3)]
    await desk.confirm(*orders)

    class Buggy(BrokenChannel):
        @asynccontextmanager
        async def open(self) -> AsyncIterator[Send]:
            async def send(message: Message) -> None:
                if message.order_id == orders[1]:
                    raise KeyError("bug")
                self.taken.append(message)

            yield send

    assert await deliver(Buggy(takes=9), desk.database) == 2
    states = {row["order_id"]: (row["state"], row["last_error"]) for row in await desk.rows()}
    assert states[orders[1]] == ("PENDING", "KeyError")
    assert states[orders[0]] == states[orders[2]] == ("SENT", None)


async def test_the_age_of_the_oldest_message_that_is_not_sent_is_measured(desk: Any, order: UUID) -> None:
    async def age() -> float:
        await read_gauges(desk.database)
        return REGISTRY.get_sample_value("chassis_intents_oldest_seconds", {"queue": "letters"}) or 0.0

    assert await age() == 0
    await desk.confirm(order)
    async with desk.database.transaction() as tx:
        await tx.connection.execute(text("UPDATE notifications SET created_at = now() - interval '1 hour'"))
    assert 3_600 <= await age() < 3_700
    await deliver(LogChannel(), desk.database)
    assert await age() == 0
