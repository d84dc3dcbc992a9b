"""Offsets: those that were not committed are committed later, and a client that never answers is noticed."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from chassis.kafka.offsets import MAX_UNANSWERED, CommitResult, OffsetCommitter
from libs.chassis.tests.kafka_doubles import PARTITION, FakeClient, record
from testkit import eventually


def committer(client: FakeClient, timeout: float = 3.0) -> OffsetCommitter:
    """With the record of offset 4 taken, so that 5 is to be committed."""
    offsets = OffsetCommitter(client, timeout_seconds=timeout, interval_seconds=0.01)
    offsets.mark_taken([record(4)])
    return offsets


@contextmanager
def committing(offsets: OffsetCommitter) -> Iterator[None]:
    """Commits at regular intervals inside the block."""
    task = asyncio.create_task(offsets.commit_regularly())
    yield
    task.cancel()


async def nothing_is_left_to_commit(client: FakeClient, offsets: OffsetCommitter) -> None:
    before = client.commits
    assert await offsets.commit() is CommitResult.COMMITTED
    assert client.commits == before


@pytest.mark.parametrize("failure", [KafkaError("no coordinator"), OSError("reset"), RuntimeError("bug")])
async def test_offsets_that_could_not_be_committed_are_committed_later(failure: Exception) -> None:
    client = FakeClient(commit_failures=[failure])
    offsets = committer(client)

    async def committed() -> None:
        assert client.committed == {PARTITION: 5}

    with committing(offsets):
        await eventually(committed, 5)
    await nothing_is_left_to_commit(client, offsets)


@pytest.mark.parametrize("ending", ["never", "cancelled"])
async def test_a_commit_that_never_ends_or_is_cancelled_is_tried_again(ending: str) -> None:
    class StubbornClient(FakeClient):
        async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
            if self.commits > 0:
                await super().commit(offsets)
                return
            self.commits += 1
            if ending == "cancelled":
                raise asyncio.CancelledError
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await asyncio.Event().wait()

    client = StubbornClient()
    offsets = committer(client, timeout=0.05)

    async def committed() -> None:
        assert client.committed == {PARTITION: 5}

    with committing(offsets):
        await eventually(committed, 5)
    assert client.commits == 2


async def test_a_client_that_answers_no_commits_is_stuck_and_no_offset_is_lost() -> None:
    class SilentClient(FakeClient):
        is_silent = True

        async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
            if self.is_silent:
                await asyncio.Event().wait()
            await super().commit(offsets)

    client = SilentClient()
    offsets = committer(client, timeout=0.01)
    for _ in range(MAX_UNANSWERED):
        assert not offsets.is_stuck
        assert await offsets.commit() is CommitResult.NO_ANSWER
    assert offsets.is_stuck
    client.is_silent = False
    assert await offsets.commit() is CommitResult.COMMITTED
    assert client.committed == {PARTITION: 5}
    assert not offsets.is_stuck


@pytest.mark.parametrize("error", [CommitFailedError(), IllegalStateError("not assigned")])
async def test_offsets_of_partitions_that_have_moved_are_not_committed_again(error: Exception) -> None:
    client = FakeClient(commit_failures=[error])
    offsets = committer(client)
    assert await offsets.commit() is CommitResult.PARTITIONS_MOVED
    await nothing_is_left_to_commit(client, offsets)
    assert client.committed == {}


async def test_an_offset_that_is_taken_during_a_commit_is_committed_by_the_next() -> None:
    class SlowClient(FakeClient):
        async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
            if self.commits == 0:
                committing_offsets.mark_taken([record(5)])
            await super().commit(offsets)

    client = SlowClient()
    committing_offsets = committer(client)
    await committing_offsets.commit()
    assert client.committed == {PARTITION: 5}
    await committing_offsets.commit()
    assert client.committed == {PARTITION: 6}
