"""Batches: deferrable events wait for urgent ones, and records are given back from the first."""

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError

from chassis.kafka.batches import BatchFetcher, messages_of
from libs.chassis.tests.kafka_doubles import (
    COUNTED,
    IGNORED,
    PARTITION,
    RENAMED,
    FakeClient,
    record,
    subscriptions_to,
)


def fetcher(client: FakeClient) -> BatchFetcher:
    subscriptions = subscriptions_to(PARTITION.topic)
    return BatchFetcher(client, subscriptions, limit=10, poll_ms=0, defer_seconds=0.1)


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
