"""The log of a real Kafka: a later answer reads on from where the last one ended."""

from __future__ import annotations

import json
import stat
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from shop_contracts.answer.scanned import FILE, add_log
from shop_contracts.answer.stored import Group, Groups
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.target import Target

TYPE = b"shelf.book-lent.v1"


def target_at(kafka: KafkaAccess, folder: Path) -> Target:
    return Target("test", {}, {}, "", kafka, {}, folder, folder, folder)


@pytest.fixture
async def topic(kafka: KafkaAccess) -> str:
    """A topic of the test alone, with one partition."""
    name = f"own.{uuid.uuid4().hex}.v1"
    admin = AIOKafkaAdminClient(**kafka.client)
    await admin.start()
    await admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    await admin.close()
    return name


async def send(kafka: KafkaAccess, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(**kafka.client, acks="all") as producer:
        for value in values:
            headers = [("ce_type", TYPE), ("ce_subject", b"k")]
            await producer.send_and_wait(topic, value, b"k", headers=headers)


async def groups_of(
    kafka: KafkaAccess,
    folder: Path,
    topics: Sequence[str],
    compacted: Sequence[str] = (),
    listed: Mapping[str, frozenset[str]] | None = None,
) -> list[Group]:
    groups = Groups(listed or {})
    await add_log(groups, target_at(kafka, folder), topics, compacted)
    return groups.all()


def numbers(groups: Sequence[Group]) -> list[tuple[int, int]]:
    """(offset of the message that is read, number of messages) of each group."""
    return [(group.first.offset, group.count) for group in groups]


async def test_only_new_messages_are_read_and_all_are_counted(
    kafka: KafkaAccess, topic: str, tmp_path: Path
) -> None:
    await send(kafka, topic, b'{"a": 50}', b'{"a": 51}', b'{"a": "x"}')
    first = await groups_of(kafka, tmp_path, [topic])
    assert numbers(first) == [(0, 2), (2, 1)]
    assert first[0].first.value == b'{"a": 50}'
    assert first[0].first.type == TYPE.decode()
    assert numbers(await groups_of(kafka, tmp_path, [topic])) == [(0, 2), (2, 1)]
    await send(kafka, topic, b'{"a": 52}', b'{"b": 1}')
    later = await groups_of(kafka, tmp_path, [topic])
    assert numbers(later) == [(0, 3), (2, 1), (4, 1)]
    assert later[0].first == first[0].first


async def test_the_file_is_of_its_owner_alone(kafka: KafkaAccess, topic: str, tmp_path: Path) -> None:
    await send(kafka, topic, b"{}")
    await groups_of(kafka, tmp_path, [topic])
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


async def test_a_shape_of_which_every_message_is_gone_is_forgotten(
    kafka: KafkaAccess, topic: str, tmp_path: Path
) -> None:
    await send(kafka, topic, b'{"old": 1}', b'{"new": 1}')
    await groups_of(kafka, tmp_path, [topic])
    admin = AIOKafkaAdminClient(**kafka.client)
    await admin.start()
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=1)})
    await admin.close()
    assert numbers(await groups_of(kafka, tmp_path, [topic])) == [(1, 1)]


async def test_a_topic_that_was_made_anew_is_read_from_its_beginning(
    kafka: KafkaAccess, topic: str, tmp_path: Path
) -> None:
    await send(kafka, topic, b'{"a": 50}')
    await groups_of(kafka, tmp_path, [topic])
    file = tmp_path / FILE
    facts = json.loads(file.read_text())
    facts["positions"] = {f"{topic}/0": 7}
    facts["groups"][0]["count"] = 7
    file.write_text(json.dumps(facts))
    assert numbers(await groups_of(kafka, tmp_path, [topic])) == [(0, 1)]


async def test_a_compacted_topic_is_read_anew_each_time(
    kafka: KafkaAccess, topic: str, tmp_path: Path
) -> None:
    await send(kafka, topic, b'{"a": 50}')
    for _ in range(2):
        assert numbers(await groups_of(kafka, tmp_path, [topic], [topic])) == [(0, 1)]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"form": 1, "listed": {}, "positions": {}, "groups": [{}]}']
)
async def test_a_damaged_file_is_as_none(kafka: KafkaAccess, topic: str, tmp_path: Path, text: str) -> None:
    await send(kafka, topic, b'{"a": 50}')
    (tmp_path / FILE).write_text(text)
    assert numbers(await groups_of(kafka, tmp_path, [topic])) == [(0, 1)]


async def test_other_listed_values_have_the_log_read_anew(
    kafka: KafkaAccess, topic: str, tmp_path: Path
) -> None:
    await send(kafka, topic, b'{"a": "one"}', b'{"a": "two"}')
    assert numbers(await groups_of(kafka, tmp_path, [topic])) == [(0, 2)]
    listed = {topic: frozenset({"a"})}
    assert numbers(await groups_of(kafka, tmp_path, [topic], listed=listed)) == [(0, 1), (1, 1)]


async def test_a_broker_that_is_away_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not answer"):
        await groups_of(KafkaAccess("127.0.0.1:1"), tmp_path, ["t"])
