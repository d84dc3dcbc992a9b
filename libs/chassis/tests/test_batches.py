"""Batches: deferrable events wait for urgent ones, and records are fetched again from the first."""

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError

from chassis.kafka.batches import BatchFetcher, messages_of
from libs.chassis.tests.kafka_doubles import (
    COUNTED,
    IGNORED,
    PARTITION,
    RENAMED,
    BufferedClient,
    FakeClient,
    record,
    subscriptions_to,
)


def fetcher(client: FakeClient | BufferedClient, limit: int = 10) -> BatchFetcher:
    subscriptions = subscriptions_to(PARTITION.topic)
    return BatchFetcher(client, subscriptions, limit=limit, poll_ms=0, defer_seconds=0.1, retry_seconds=0.2)


@pytest.mark.parametrize(
    ("arriving", "together"),
    [
        ([[COUNTED], [RENAMED]], 1),  # the first is urgent
        ([[RENAMED, COUNTED], [RENAMED]], 2),
        ([[RENAMED], [IGNORED], [RENAMED, COUNTED], [RENAMED]], 4),
        ([["things.thing-unknown.v1"], [RENAMED]], 1),
        ([[""], [RENAMED]], 1),
        ([[RENAMED] * 5, [RENAMED] * 9], 10),  # a full batch
        ([[RENAMED], [IGNORED]], 2),  # nothing is urgent: until the time to defer is over
    ],
)
async def test_deferrable_events_share_a_batch_with_urgent_ones(
    arriving: list[list[str]], together: int
) -> None:
    records = await fetcher(FakeClient(*arriving)).next_batch()
    assert len(records) == together


async def test_where_no_record_arrives_a_batch_is_empty() -> None:
    client = FakeClient()
    assert await fetcher(client).next_batch() == []
    assert client.fetches == 1


async def test_a_batch_is_limited_by_its_bytes_and_every_record_arrives_in_order() -> None:
    large = 1024 * 1024
    partitions = {TopicPartition(PARTITION.topic, number): [bytes(large)] * 15 for number in range(40)}
    client = BufferedClient(partitions)
    batches = fetcher(client, limit=500)
    seen: dict[int, list[int]] = {number: [] for number in range(40)}
    while records := await batches.next_batch():
        assert sum(len(one.value) for one in records) <= 5 * large
        for one in records:
            seen[one.partition].append(one.offset)
    assert seen == {number: list(range(15)) for number in range(40)}


@pytest.mark.parametrize("headers", [(("", b""),) * 1_000, (("a", bytes(100_000)),)])
async def test_the_headers_of_records_count_as_bytes(headers: tuple[tuple[str, bytes], ...]) -> None:
    client = BufferedClient({PARTITION: [b""] * 500}, headers)
    records = await fetcher(client, limit=500).next_batch()
    assert 0 < len(records) < 100


async def test_a_busy_partition_comes_last_in_the_next_batch() -> None:
    other = TopicPartition(PARTITION.topic, 1)
    client = BufferedClient({PARTITION: [b"many"] * 100, other: []})
    batches = fetcher(client, limit=10)
    assert {record.partition for record in await batches.next_batch()} == {0}
    client.logs[other].append(b"one")
    second = await batches.next_batch()
    assert [record.partition for record in second] == [1, *[0] * 9]
    assert [record.offset for record in second[1:]] == list(range(10, 19))


async def test_a_busy_partition_without_others_is_read_to_its_end() -> None:
    client = BufferedClient({PARTITION: [b"many"] * 25})
    batches = fetcher(client, limit=10)
    offsets = [record.offset for _ in range(3) for record in await batches.next_batch()]
    assert offsets == list(range(25))


def test_records_are_given_back_from_the_first_of_each_partition() -> None:
    client = FakeClient()
    fetcher(client).rewind([record(7), record(8), record(9)])
    assert client.sought[-1] == 7


def test_records_of_partitions_that_have_moved_need_not_be_given_back() -> None:
    class MovedClient(FakeClient):
        def seek(self, partition: TopicPartition, offset: int) -> None:
            super().seek(partition, offset)
            raise IllegalStateError("not assigned")

    client = MovedClient()
    fetcher(client).rewind([record(7), record(8)])
    assert client.sought == [8, 7]


def test_a_message_has_the_position_of_its_record() -> None:
    (message,) = messages_of([record(7, COUNTED)])
    assert (message.topic, message.position) == (PARTITION.topic, (0, 7))
    assert message.headers == (("ce_type", COUNTED.encode()),)
