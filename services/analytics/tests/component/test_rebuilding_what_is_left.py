"""A rebuild keeps what the topics no longer tell, skips what cannot be written, and can be cancelled."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from analytics import handlers, jobs
from analytics.db import order_facts, product_facts
from analytics.domain import GenerationState, RebuildAlreadyEnded
from analytics.events import ProductPriced
from analytics.jobs import MODELS, rebuild
from analytics.subscriptions import SUBSCRIPTIONS
from chassis.events import Cause, RawMessage, encode, new_id
from chassis.inbox import Inbox, Subscriptions, WholeBatch
from chassis.kafka.replay import replay_of_kafka
from chassis.replaying import OpenReplay
from shop_stack.kafka_access import KafkaAccess

ENDINGS = ["confirmed", "rejected", "declined", "cancelled", "pending"]
SEVEN_DAYS = [topic for topic in jobs.TOPICS if topic != "inventory.product.v1"]
TABLES = ("order_facts", "product_facts", "order_totals", "product_totals", "wait_totals")
REPORTS = ("orders-by-state", "revenue", "top-products", "time-to-confirm", "funnel")

AWAY = {"bootstrap_servers": "127.0.0.1:1"}
"""A broker that does not answer."""


def replay_of(kafka: dict[str, Any]) -> OpenReplay:
    """Reads the topics of this broker."""
    return partial(replay_of_kafka, kafka, jobs.TOPICS)


class Killed(BaseException):
    """What kill -9 looks like from inside: nothing after it runs."""


def message(told: Any) -> RawMessage:
    """An event as it lies on its topic."""
    type_, key, data = told
    topic = MODELS[type_].topic
    source = f"/{topic.partition('.')[0]}"
    headers = encode(new_id(), source, type_, key, datetime.now(UTC), Cause(None, key, None))
    return RawMessage(topic, (0, 0), key.encode(), json.dumps(data).encode(), headers)


async def publish(kafka: KafkaAccess, messages: Sequence[RawMessage]) -> None:
    producer = AIOKafkaProducer(**kafka.client)
    await producer.start()
    try:
        for sent in messages:
            await producer.send(sent.topic, sent.value, key=sent.key, headers=sent.headers)
    finally:
        await producer.stop()


async def retention_comes(kafka: KafkaAccess, topics: Sequence[str]) -> None:
    """Delete every record of some topics, as retention does: offsets go on."""
    consumer = AIOKafkaConsumer(*topics, **kafka.client, group_id=None)
    admin = AIOKafkaAdminClient(**kafka.client)
    await consumer.start()
    await admin.start()
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        await admin.delete_records(
            {at: RecordsToDelete(before_offset=end) for at, end in ends.items() if end}
        )
    finally:
        await admin.close()
        await consumer.stop()


async def open_rebuild(ledger: Any) -> int:
    async with ledger.database.transaction() as tx:
        return await handlers.open_rebuild(tx)


async def cancel(ledger: Any, generation: int) -> None:
    async with ledger.database.transaction() as tx:
        await handlers.cancel_rebuild(tx, generation)


async def found(ledger: Any, generation: int) -> Any:
    async with ledger.database.reading() as connection:
        return await handlers.read_rebuild(connection, generation)


async def rebuilt(ledger: Any, kafka: KafkaAccess) -> Any:
    """The generation that a rebuild made."""
    generation = await open_rebuild(ledger)
    await rebuild(replay_of(kafka.client), ledger.database)
    return await found(ledger, generation)


async def reports(http: httpx.AsyncClient) -> dict[str, Any]:
    return {name: (await http.get(f"/reports/{name}")).json() for name in REPORTS}


async def told_history(ledger: Any, story: Any, kafka: KafkaAccess) -> list[Any]:
    """Orders of all endings and a product, on the topics and in the active generation."""
    told = [event for ending in ENDINGS for event in story.order(ending)]
    told += story.product(f"sku-{new_id()}", "Mug", "Blue mug")
    await publish(kafka, [message(event) for event in told])
    await ledger.project_each(told)
    return told


def failing(type_: str) -> Subscriptions:
    """The subscriptions of analytics, with a handler of one type that fails."""

    async def fail(tx: Any, events: Any) -> None:
        raise ValueError

    working = {one.model: WholeBatch(one.handler) for one in SUBSCRIPTIONS.by_type.values()}
    return Subscriptions(working | {MODELS[type_]: WholeBatch(fail)})


def order_of(sent: RawMessage) -> str:
    assert sent.key is not None
    return sent.key.decode()


async def rows_left(ledger: Any, generation: int) -> int:
    """The number of rows of a generation, in all tables."""
    counts = [
        (await ledger.all(f"SELECT count(*) AS rows FROM {table} WHERE generation = $1", generation))[0][
            "rows"
        ]
        for table in TABLES
    ]
    return sum(counts)


async def rows_of(ledger: Any, generation: int, keys: set[str]) -> Any:
    """The facts of some orders and products: the broker is shared, and has those of other tests too."""
    orders, products = await ledger.orders(generation), await ledger.products(generation)
    return (
        {k: row for k, row in orders.items() if str(k) in keys},
        {k: row for k, row in products.items() if k in keys},
    )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(["DELETE FROM order_facts", "DELETE FROM product_facts"], id="nothing"),
        pytest.param(
            [
                "UPDATE order_facts SET total_minor = 1, order_state = 'PENDING', currency = 'XXX'",
                "UPDATE product_facts SET name = 'wrong'",
            ],
            id="something else",
        ),
    ],
)
async def test_what_the_topics_still_tell_wins_over_what_the_old_tables_say(
    ledger: Any, story: Any, kafka: KafkaAccess, changes: list[str]
) -> None:
    told = await told_history(ledger, story, kafka)
    keys = {key for _, key, _ in told}
    expected = await rows_of(ledger, 1, keys)
    for change in changes:
        await ledger.all(change)
    generation = await rebuilt(ledger, kafka)
    assert await rows_of(ledger, generation.generation, keys) == expected


async def test_what_retention_has_deleted_is_kept(
    ledger: Any, story: Any, kafka: KafkaAccess, http: httpx.AsyncClient
) -> None:
    """All records that other tests published go too: the reports are of this test's orders alone."""
    for _ in range(10):
        saga = story.order("confirmed")
        await publish(kafka, [message(event) for event in saga])
        await ledger.project_each(saga)
    await ledger.project_each(story.order("cancelled"))
    before, facts = await reports(http), await ledger.orders(1)
    await retention_comes(kafka, SEVEN_DAYS)
    generation = await rebuilt(ledger, kafka)
    assert generation.state is GenerationState.ACTIVE
    assert await ledger.orders(generation.generation) == facts
    assert await reports(http) == before
    assert before["revenue"]["currencies"][0]["confirmed_orders"] == 10


async def test_of_an_order_that_is_told_in_part_the_rest_is_kept(
    ledger: Any, story: Any, kafka: KafkaAccess
) -> None:
    """Its first events are gone, its last are there, and of one topic all are."""
    placed, reserved, captured, *later = story.order("confirmed")
    await publish(kafka, [message(told) for told in (placed, reserved)])
    await retention_comes(kafka, SEVEN_DAYS)
    await publish(kafka, [message(told) for told in (captured, *later)])
    await ledger.project_each([placed, reserved, captured, *later])
    expected = await ledger.orders(1)
    generation = await rebuilt(ledger, kafka)
    keys = {placed[1]}
    assert (await rows_of(ledger, generation.generation, keys))[0] == expected


@pytest.mark.parametrize(("lost", "notified"), [([], "new"), (["notifications.notification.v1"], "old")])
async def test_a_topic_that_is_whole_is_trusted_and_one_that_is_not_is_joined(
    ledger: Any, story: Any, lost: list[str], notified: str
) -> None:
    """The old row knows an earlier message than the new one, and a product that the new generation has not."""
    saga = story.order("confirmed")
    type_, key, data = saga[-1]
    await ledger.project((type_, key, data | {"sent_at": story.at(1)}))
    await ledger.project_each(story.product("mug", "Mug"))
    generation = await open_rebuild(ledger)
    await ledger.all("DELETE FROM order_facts WHERE generation = 1 AND placed_at IS NOT NULL")
    await ledger.all(
        "INSERT INTO order_facts (generation, order_id, notified_at) VALUES ($1, $2, $3)",
        generation,
        next(iter(await ledger.orders(1))),
        datetime.fromisoformat(story.at(9)),
    )
    async with ledger.database.transaction() as tx:
        for table, kept in ((order_facts, len(lost)), (product_facts, 1)):
            carried = await handlers.carry_over(tx, table, generation, lost, None, 100)
            assert carried.kept == kept
    (row,) = (await ledger.orders(generation)).values()
    assert row["notified_at"] == datetime.fromisoformat(story.at(1 if notified == "old" else 9))
    assert await ledger.products(generation) == {"mug": (1, "Mug")}


async def test_carrying_over_goes_row_by_row_and_may_start_again(
    ledger: Any, story: Any, monkeypatch: pytest.MonkeyPatch, kafka: KafkaAccess
) -> None:
    monkeypatch.setattr(jobs, "ROWS_AT_ONCE", 3)
    for ending in ENDINGS * 2:
        await ledger.project_each(story.order(ending))
    facts = await ledger.orders(1)
    carry, calls = handlers.carry_over, 0

    async def killed_in_the_third(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Killed
        return await carry(*args)

    generation = await open_rebuild(ledger)
    with monkeypatch.context() as life:
        life.setattr(handlers, "carry_over", killed_in_the_third)
        with pytest.raises(Killed):
            await rebuild(replay_of(kafka.client), ledger.database)
    await rebuild(replay_of(kafka.client), ledger.database)
    rebuilt_rows = await ledger.orders(generation)
    assert {order_id: rebuilt_rows[order_id] for order_id in facts} == facts


async def test_an_event_that_the_columns_cannot_hold_is_skipped_and_counted(
    ledger: Any, story: Any, kafka: KafkaAccess
) -> None:
    before = (await rebuilt(ledger, kafka)).messages_skipped
    (type_, key, data) = story.product(f"sku-{new_id()}", "Mug", "Blue mug")[1]
    await publish(kafka, [message((type_, key, data | {"version": 3_000_000_000}))])
    after = await rebuilt(ledger, kafka)
    assert (after.state, after.messages_skipped) == (GenerationState.ACTIVE, before + 1)


async def test_an_event_that_only_the_database_refuses_is_skipped_and_costs_no_other(
    ledger: Any, story: Any, kafka: KafkaAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model may be too lenient: what PostgreSQL refuses is found among the events of its batch."""

    class Lenient(ProductPriced):
        version: int

    before = (await rebuilt(ledger, kafka)).messages_skipped
    good = [story.product(f"sku-{new_id()}", "Mug", "Blue mug")[1] for _ in range(5)]
    (type_, key, data) = story.product(f"sku-{new_id()}", "Mug", "Blue mug")[1]
    bad = (type_, key, data | {"version": 3_000_000_000})
    await publish(kafka, [message(told) for told in (*good[:3], bad, *good[3:])])
    with monkeypatch.context() as lenient:
        lenient.setitem(MODELS, type_, Lenient)
        after = await rebuilt(ledger, kafka)
    assert (after.state, after.messages_skipped) == (GenerationState.ACTIVE, before + 1)
    assert {key for _, key, _ in good} <= set(await ledger.products(after.generation))


async def test_a_live_event_that_the_columns_cannot_hold_is_a_dead_letter_at_once(
    ledger: Any, story: Any
) -> None:
    inbox = Inbox(ledger.database, "analytics", SUBSCRIPTIONS)
    (type_, key, data) = story.product("mug", "Mug")[0]
    await inbox.process([message((type_, key, data | {"version": 3_000_000_000}))])
    (letter,) = await ledger.all("SELECT key, reason FROM dead_letters")
    assert letter == {"key": "mug", "reason": "schema-violation"}


async def test_what_was_discarded_does_not_come_back(
    ledger: Any, story: Any, kafka: KafkaAccess, operator: httpx.AsyncClient
) -> None:
    """It failed while it was consumed, and an operator gave it up."""
    placed, *_, confirmed, _, _ = story.order("confirmed")
    kept, given_up = message(placed), message(confirmed)

    broken = failing(confirmed[0])
    await Inbox(ledger.database, "analytics", broken, max_attempts=1).process([kept, given_up])
    await publish(kafka, [kept, given_up])

    waiting = await rebuilt(ledger, kafka)
    states = {key: row["order_state"] for key, row in (await ledger.orders(waiting.generation)).items()}
    assert states[next(k for k in states if str(k) == placed[1])] == "PENDING"
    assert (await operator.post("/admin/dead-letters/discard", json={"key": placed[1]})).json()["ended"] == 1
    discarded = await rebuilt(ledger, kafka)
    (row,) = (await rows_of(ledger, discarded.generation, {placed[1]}))[0].values()
    assert (row["order_state"], row["confirmed_at"]) == ("PENDING", None)
    assert discarded.messages_skipped == waiting.messages_skipped >= 1


async def test_a_rebuild_is_cancelled_and_another_can_be_opened(ledger: Any, http: httpx.AsyncClient) -> None:
    await http.post("/rebuilds")
    answer = await http.post("/rebuilds/2/cancel")
    assert (answer.status_code, answer.json()["state"], answer.json()["progress"]) == (200, "CANCELLED", 0)
    assert (await http.post("/rebuilds/2/cancel")).status_code == 200
    assert (await http.post("/rebuilds")).json() == {"generation": 3}
    assert (await http.get("/rebuilds/2")).json()["state"] == "CANCELLED"


@pytest.mark.parametrize(
    ("generation", "status", "slug"), [(1, 409, "rebuild-already-ended"), (9, 404, "unknown-rebuild")]
)
async def test_only_a_rebuild_that_is_building_can_be_cancelled(
    http: httpx.AsyncClient, generation: int, status: int, slug: str
) -> None:
    answer = await http.post(f"/rebuilds/{generation}/cancel")
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:shopfloor:problem:{slug}")


async def test_a_rebuild_whose_worker_was_killed_can_be_cancelled(
    ledger: Any, story: Any, kafka: KafkaAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await told_history(ledger, story, kafka)
    expected = await ledger.orders(1)

    async def killed(*args: Any, **kwargs: Any) -> None:
        raise Killed

    generation = await open_rebuild(ledger)
    with monkeypatch.context() as life:
        life.setattr(handlers, "activate_rebuild", killed)
        with pytest.raises(Killed):
            await rebuild(replay_of(kafka.client), ledger.database)
    assert len(await ledger.orders(generation)) >= len(ENDINGS)
    await cancel(ledger, generation)
    assert await rebuild(replay_of(AWAY), ledger.database) == 1
    assert await rebuild(replay_of(AWAY), ledger.database) == 0
    assert (await ledger.orders(generation), await ledger.orders(1)) == ({}, expected)
    assert await ledger.all("SELECT * FROM order_totals WHERE generation = $1", generation) == []
    assert told


@pytest.mark.parametrize("step", ["save_progress", "carry_over", "activate_rebuild"])
async def test_a_rebuild_that_is_cancelled_under_way_ends_and_changes_no_report(
    ledger: Any,
    story: Any,
    kafka: KafkaAccess,
    http: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    await told_history(ledger, story, kafka)
    before = await reports(http)
    generation = await open_rebuild(ledger)
    go_on = getattr(handlers, step)

    async def cancelled_first(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(handlers, step, go_on)
        await cancel(ledger, generation)
        return await go_on(*args, **kwargs)

    monkeypatch.setattr(handlers, step, cancelled_first)
    async with asyncio.timeout(30):
        assert await rebuild(replay_of(kafka.client), ledger.database) == 1
    assert (await found(ledger, generation)).state is GenerationState.CANCELLED
    assert await ledger.orders(generation) == {}
    assert await reports(http) == before


async def test_an_active_generation_cannot_be_cancelled(ledger: Any) -> None:
    with pytest.raises(RebuildAlreadyEnded):
        await cancel(ledger, 1)


async def test_what_a_slow_writer_leaves_in_a_cancelled_generation_is_removed(
    ledger: Any, story: Any
) -> None:
    """It saw the generation BUILDING, and committed after that was cancelled and removed."""
    generation = await open_rebuild(ledger)
    async with ledger.database.transaction() as slow:
        await ledger.hand_over(slow, story.order("pending")[0])
        await cancel(ledger, generation)
        assert await rebuild(replay_of(AWAY), ledger.database) == 0
    assert len(await ledger.orders(generation)) == 1
    assert await rebuild(replay_of(AWAY), ledger.database) == 1
    assert (await ledger.orders(generation), len(await ledger.orders(1))) == ({}, 1)


async def test_a_rebuild_that_waits_for_records_that_never_come_can_be_cancelled(
    ledger: Any, story: Any, kafka: KafkaAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A topic was created again, with fewer records than it had when the rebuild began."""
    await told_history(ledger, story, kafka)
    generation = await open_rebuild(ledger)

    async def nothing(*args: Any, **kwargs: Any) -> dict[Any, Any]:
        await cancel(ledger, generation)
        return {}

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", nothing)
    async with asyncio.timeout(30):
        assert await rebuild(replay_of(kafka.client), ledger.database) == 1
    assert (await found(ledger, generation)).state is GenerationState.CANCELLED


async def test_no_statement_deletes_a_whole_generation(
    ledger: Any, story: Any, kafka: KafkaAccess, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statements of a job have a time limit, and a generation has as many rows as the shop has had orders."""
    most = 3
    monkeypatch.setattr(jobs, "ROWS_AT_ONCE", most)
    for number in range(4):
        for ending in ("confirmed", "cancelled"):
            await ledger.project_each(story.order(ending, wait=number + 1.5, sku=f"sku-{number}"))
        await ledger.project_each(story.product(f"sku-{number}", "Mug"))
    await owner.execute(
        f"""
        CREATE FUNCTION deletes_few() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            ASSERT (SELECT count(*) FROM gone) <= {most};
            RETURN NULL;
        END $$
        """
    )
    for table in TABLES:
        (row,) = await ledger.all(f"SELECT count(*) AS rows FROM {table} WHERE generation = 1")
        assert row["rows"] > most, table
        await owner.execute(
            f"CREATE TRIGGER deletes_few AFTER DELETE ON {table} REFERENCING OLD TABLE AS gone"
            " FOR EACH STATEMENT EXECUTE FUNCTION deletes_few()"
        )
    await open_rebuild(ledger)
    async with ledger.database.transaction() as tx:
        await handlers.activate_rebuild(tx, 2)
    assert await rebuild(replay_of(kafka.client), ledger.database) == 1
    assert await rows_left(ledger, 1) == 0
    assert (await found(ledger, 1)).state is GenerationState.REMOVED


@pytest.mark.parametrize("pages", range(1, 6))
async def test_a_removal_that_was_killed_leaves_no_row_after_its_next_run(
    ledger: Any, story: Any, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    generation = await open_rebuild(ledger)
    await ledger.project_each(story.order("confirmed"))
    await ledger.project_each(story.product("mug", "Mug"))
    await cancel(ledger, generation)
    remove, calls = handlers.remove_leftovers, 0

    async def killed_later(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > pages:
            raise Killed
        return await remove(*args)

    with monkeypatch.context() as life:
        life.setattr(handlers, "remove_leftovers", killed_later)
        with pytest.raises(Killed):
            await rebuild(replay_of(AWAY), ledger.database)
    await rebuild(replay_of(AWAY), ledger.database)
    assert await rows_left(ledger, generation) == 0


Retold = Callable[[RawMessage], RawMessage]


def without_a_key(sent: RawMessage) -> RawMessage:
    return sent._replace(key=None)


def with_another_value(sent: RawMessage) -> RawMessage:
    return sent._replace(value=b'{"order_id": "of nobody"}')


def on_another_topic(sent: RawMessage) -> RawMessage:
    return sent._replace(topic="notifications.notification.v1")


@pytest.mark.parametrize("is_discarded", [False, True])
@pytest.mark.parametrize("retell", [without_a_key, with_another_value, on_another_topic])
async def test_a_dead_letter_leaves_out_no_record_but_its_own(
    ledger: Any,
    story: Any,
    kafka: KafkaAccess,
    operator: httpx.AsyncClient,
    retell: Retold,
    is_discarded: bool,
) -> None:
    """A producer repeats a handled event in a form that is no event, under the same id."""
    inbox = Inbox(ledger.database, "analytics", SUBSCRIPTIONS)
    saga = [message(told) for told in story.order("confirmed")]
    for sent in saga:
        await inbox.process([sent])
    expected = await ledger.orders(1)
    wrong = retell(saga[0])
    await inbox.process([wrong])
    assert len(await ledger.all("SELECT id FROM dead_letters")) == 1
    if is_discarded:
        assert (await operator.post("/admin/dead-letters/discard", json={"key": order_of(saga[0])})).json()[
            "ended"
        ] == 1
    await publish(kafka, [*saga, wrong])
    generation = await rebuilt(ledger, kafka)
    assert (await rows_of(ledger, generation.generation, {order_of(saga[0])}))[0] == expected


async def test_an_event_that_was_redriven_is_in_a_rebuild_although_a_second_letter_of_it_was_discarded(
    ledger: Any, story: Any, kafka: KafkaAccess, operator: httpx.AsyncClient
) -> None:
    """A republication sent it again while its first letter held its key."""
    inbox = Inbox(ledger.database, "analytics", SUBSCRIPTIONS)
    placed, *later = (message(told) for told in story.order("confirmed"))
    broken = Inbox(ledger.database, "analytics", failing("orders.order-placed.v1"), max_attempts=1)
    await broken.process([placed])
    await inbox.process([placed._replace(position=(0, 1))])
    first, second = await ledger.all("SELECT id FROM dead_letters ORDER BY id")
    assert (await operator.post("/admin/dead-letters/redrive", json={"id": first["id"]})).status_code == 200
    assert (await operator.post("/admin/dead-letters/discard", json={"id": second["id"]})).status_code == 200
    for sent in later:
        await inbox.process([sent])
    expected = await ledger.orders(1)
    assert len(expected) == 1
    await publish(kafka, [placed, *later])
    generation = await rebuilt(ledger, kafka)
    assert (await rows_of(ledger, generation.generation, {order_of(placed)}))[0] == expected


async def test_a_record_on_a_topic_of_another_type_is_not_joined(
    ledger: Any, story: Any, kafka: KafkaAccess
) -> None:
    """The live consumer makes a dead letter of it."""
    stray = on_another_topic(message(story.order("pending")[0]))
    headers = dict(stray.headers) | {"ce_source": b"/notifications"}
    await publish(kafka, [stray._replace(headers=list(headers.items()))])
    generation = await rebuilt(ledger, kafka)
    assert (await rows_of(ledger, generation.generation, {order_of(stray)}))[0] == {}
