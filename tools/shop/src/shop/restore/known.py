"""What a restored service has forgotten, by a comparison of its database with Kafka. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from aiokafka import TopicPartition

from shop_observe.kafka_log import Entry

LONGEST_TRANSACTION = timedelta(minutes=10)
"""An event is decided in a transaction, and can be older than the commit by at most this time."""


def forgotten(
    entries: Sequence[Entry], topics: Collection[str], outbox: Collection[str], to: datetime
) -> list[Entry]:
    """The events of a service's own topics that its outbox does not have, in the order of each key.

    `outbox` are the event ids in the outbox as it was at the time `to`. It lacks old events, because they are pruned.
    Repeated records count once.
    """
    since = to - LONGEST_TRANSACTION
    found: dict[str, Entry] = {}
    for entry in entries:
        if entry.topic in topics and not entry.fault and entry.id not in outbox and entry.moment >= since:
            found.setdefault(entry.id, entry)
    return sorted(found.values(), key=lambda entry: (entry.topic, entry.partition, entry.offset))


def first_unread(
    entries: Sequence[Entry],
    types: Collection[str],
    topics: Collection[str],
    inbox: Collection[tuple[str, str]],
    letters: Collection[tuple[str, int, int]],
) -> dict[TopicPartition, int]:
    """The first offset of each partition that a service must read again.

    `types` and `topics` are those that the service reads, `inbox` has (source, event id) of each handled event, and
    `letters` the (topic, partition, offset) of each dead letter. A foreign record has no place in the inbox, so it
    counts as read only if it is a dead letter.
    """
    firsts: dict[TopicPartition, int] = {}
    for entry in entries:
        if entry.topic not in topics or (entry.topic, entry.partition, entry.offset) in letters:
            continue
        if not entry.fault and (entry.type not in types or (entry.source, entry.id) in inbox):
            continue
        place = TopicPartition(entry.topic, entry.partition)
        firsts[place] = min(entry.offset, firsts.get(place, entry.offset))
    return firsts
