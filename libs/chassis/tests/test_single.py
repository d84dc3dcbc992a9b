"""A saga in one transaction: what is committed together, what an error leaves, and the call of an outside system."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest
from sqlalchemy import text

from chassis.errors import Unavailable
from chassis.inbox.outcomes import KeyHeld
from chassis.local.topics import message_of
from chassis.outbox import OutboxRow, Transaction
from chassis.single import PARTICIPANTS, SagaUnfinished, take_part
from chassis.single.calls import NoOutcome
from libs.chassis.tests.saga_modules import QUEUE, Bill, Hall, Modules, ThingSold, open_hall
from shop_stack.postgres import Server
from testkit.databases import TestDatabase

NOTHING: dict[str, list[str]] = {"things": [], "parcels": [], "bills": []}
WHOLE = {"things": ["end"], "parcels": ["pack", "send"], "bills": ["open", "due"]}
BILLS = "SELECT name, state, attempts FROM bills.bills ORDER BY id"


@pytest.fixture
async def hall(postgres_server: Server, project: TestDatabase) -> AsyncIterator[Hall]:
    async with open_hall(postgres_server, project, Modules()) as opened:
        for participant in opened.participants.values():
            take_part(participant)
        yield opened
    PARTICIPANTS.clear()


async def test_all_steps_are_one_transaction_and_only_the_intent_of_the_call_has_its_own(hall: Hall) -> None:
    await hall.sell("a")
    assert await hall.seen() == WHOLE
    assert await hall.events() == {
        "things": ["things.thing-sold.v1", "things.thing-done.v1"],
        "parcels": ["parcels.parcel-packed.v1"],
        "bills": ["bills.bill-paid.v1"],
    }
    of_the_saga = await hall.all(
        "SELECT xid FROM things.outbox UNION SELECT xid FROM parcels.outbox UNION SELECT xid FROM bills.outbox"
        " UNION SELECT xmin::text::xid8 FROM bills.inbox UNION SELECT xmin::text::xid8 FROM bills.bills"
    )
    assert len(of_the_saga) == 1
    intents = await hall.all("SELECT DISTINCT xmin FROM bills.seen")
    assert len(intents) == 1
    assert intents != of_the_saga


async def test_each_handler_runs_for_its_module(hall: Hall) -> None:
    await hall.sell("a")
    assert hall.modules.in_module == ["parcels", "bills", "bills", "things", "parcels"]


async def test_readers_find_the_events_in_the_inbox_afterwards(hall: Hall) -> None:
    await hall.sell("a")
    columns = ", ".join(OutboxRow._fields)
    rows = [
        row
        for name in WHOLE
        for row in await hall.all(f"SELECT id, {columns} FROM {name}.outbox ORDER BY id")
    ]
    messages = [message_of(row["id"], OutboxRow(*list(row.values())[1:])) for row in rows]
    for participant in hall.participants.values():
        inbox = participant.inbox
        await inbox.process([message for message in messages if message.topic in inbox.subscriptions.topics])
    assert await hall.seen() == WHOLE


async def test_an_error_of_a_handler_leaves_nothing_in_any_module(hall: Hall) -> None:
    async def fail(tx: Transaction) -> None:
        raise LookupError("no box")

    hall.modules.while_packing = fail
    with pytest.raises(LookupError, match="no box"):
        await hall.sell("a")
    assert (await hall.seen(), await hall.events()) == (NOTHING, NOTHING)
    assert await hall.all("SELECT FROM things.sold") == []
    assert hall.modules.committed == {}


async def test_a_request_after_one_that_failed_is_whole(hall: Hall) -> None:
    await test_an_error_of_a_handler_leaves_nothing_in_any_module(hall)
    hall.modules.while_packing = Modules().while_packing
    await hall.sell("a")
    assert await hall.seen() == WHOLE


@pytest.mark.parametrize("table", ["things.sold", "bills.bills"])
async def test_a_handler_cannot_read_the_tables_of_another_module(hall: Hall, table: str) -> None:
    async def look(tx: Transaction) -> None:
        await tx.connection.rows(text(f"SELECT name FROM {table}"))

    hall.modules.while_packing = look
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for schema"):
        await hall.sell("a")
    assert await hall.seen() == NOTHING


async def test_the_login_that_starts_sagas_has_no_right_of_another_module_by_itself(hall: Hall) -> None:
    connection = await asyncpg.connect(hall.url)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.fetch("SELECT FROM parcels.seen")
    await connection.close()


async def test_a_saga_that_has_not_ended_is_rolled_back(hall: Hall) -> None:
    hall.modules.packs = False
    with pytest.raises(SagaUnfinished, match="the saga has not ended, although no event is left"):
        await hall.sell("a")
    assert (await hall.seen(), await hall.events()) == (NOTHING, NOTHING)


async def test_a_saga_that_was_left_unfinished_stops_no_other(hall: Hall) -> None:
    await hall.all("INSERT INTO things.sold (name) VALUES ('x') RETURNING name")
    await hall.sell("a")
    assert await hall.seen() == WHOLE


async def test_events_that_lead_to_no_call_are_handled_in_the_transaction(hall: Hall) -> None:
    hall.modules.packs = False
    async with hall.requests.transaction() as tx:  # nothing is sold, so the saga has ended
        tx.publish(ThingSold(name="a"), cause=tx.root_cause("a"))
    assert await hall.seen() == {"things": [], "parcels": ["pack"], "bills": ["open"]}
    assert (
        len(await hall.all("SELECT xid FROM things.outbox UNION SELECT xmin::text::xid8 FROM bills.seen"))
        == 1
    )


async def test_a_transaction_that_publishes_nothing_is_as_in_any_database(hall: Hall) -> None:
    async with hall.requests.transaction() as tx:
        await tx.connection.execute(text("INSERT INTO sold (name) VALUES ('a')"))
    assert len(await hall.all("SELECT FROM things.sold")) == 1
    assert await hall.seen() == NOTHING


async def test_what_follows_a_commit_is_done_for_each_other_module(hall: Hall) -> None:
    await hall.sell("a")
    assert hall.modules.committed.pop("bills") == ["bills.bill-paid.v1"]
    assert hall.modules.committed.pop("parcels") == ["parcels.parcel-packed.v1"]
    assert hall.modules.committed == {}, "the starter's database does it itself"


async def test_the_intent_is_committed_and_claimed_before_the_call(hall: Hall) -> None:
    during: list[object] = []

    async def look(bill: Bill) -> str:
        during.extend(map(tuple, await hall.all(BILLS)))
        during.append(await hall.seen())
        return "paid"

    hall.modules.call = look
    await hall.sell("a")
    assert during == [("a", "CALLING", 1), NOTHING | {"bills": ["open", "due"]}]
    assert list(map(tuple, await hall.all(BILLS))) == [("a", "paid", 1)]


async def test_a_saga_that_fails_after_the_call_leaves_the_intent_alone(hall: Hall) -> None:
    async def fail(tx: Transaction) -> None:
        raise LookupError("no list")

    hall.modules.while_ending = fail
    with pytest.raises(LookupError):
        await hall.sell("a")
    assert list(map(tuple, await hall.all(BILLS))) == [("a", "CALLING", 1)]
    assert await hall.events() == NOTHING
    assert await hall.all("SELECT FROM bills.inbox") == [], (
        "the events do not exist, so they were not handled"
    )


async def test_a_call_that_has_no_outcome_is_made_again(hall: Hall) -> None:
    calls: list[str] = []

    async def answer_the_third(bill: Bill) -> str:
        calls.append(bill.name)
        if len(calls) < 3:
            raise Unavailable("busy")
        return "paid"

    hall.modules.call = answer_the_third
    await hall.sell("a")
    assert calls == ["a", "a", "a"]
    assert await hall.seen() == WHOLE


async def test_without_an_outcome_the_request_ends_with_the_error_of_the_call(hall: Hall) -> None:
    async def be_away(bill: Bill) -> str:
        raise Unavailable("the bank is closed")

    hall.modules.call = be_away
    with pytest.raises(Unavailable, match="the bank is closed"):
        await hall.sell("a")
    assert await hall.events() == NOTHING


async def test_a_call_that_is_not_answered_ends_before_its_lease(hall: Hall) -> None:
    async def be_silent(bill: Bill) -> str:
        await asyncio.Event().wait()
        return "paid"

    hall.modules.call = be_silent
    with pytest.raises(NoOutcome, match="no outcome after 0.5 s"):
        await hall.sell("a")
    assert QUEUE.call_seconds < QUEUE.lease_seconds


async def test_an_outcome_that_another_process_has_recorded_rolls_the_saga_back(hall: Hall) -> None:
    async def be_overtaken(bill: Bill) -> str:
        await hall.all("UPDATE bills.bills SET state = 'paid' RETURNING name")
        return "paid"

    hall.modules.call = be_overtaken
    with pytest.raises(SagaUnfinished):
        await hall.sell("a")
    assert await hall.events() == NOTHING


async def test_due_intents_of_others_are_due_again(hall: Hall) -> None:
    await hall.all("INSERT INTO bills.bills (name, state) VALUES ('x', 'DUE'), ('y', 'DUE') RETURNING name")
    paid: Sequence[str] = []

    async def pay(bill: Bill) -> str:
        nonlocal paid
        paid = [*paid, bill.name]
        return "paid"

    hall.modules.call = pay
    await hall.sell("a")
    assert paid == ["a"]
    assert [(row["name"], row["state"]) for row in await hall.all(BILLS)] == [
        ("x", "DUE"),
        ("y", "DUE"),
        ("a", "paid"),
    ]


async def test_a_key_with_a_dead_letter_is_not_passed(hall: Hall) -> None:
    await hall.all("""
        INSERT INTO parcels.dead_letters
            (consumer_group, topic, partition, "offset", key, headers, state, reason, error, fingerprint)
        VALUES ('parcels', 'things.thing.v1', 0, 0, 'a', '{}', 'HELD', 'handler-failed', '', '') RETURNING id
    """)
    with pytest.raises(
        KeyHeld, match=r"things\.thing-sold\.v1 waits for a dead letter of its key in parcels"
    ):
        await hall.sell("a")
    assert await hall.events() == NOTHING
    await hall.sell("b")
    assert await hall.seen() == WHOLE
