"""The event types that a provider sends on a topic, and that a consumer of the topic does not know.

The consumer has no expectation of such a type, so no test of the provider sees it. Each message of it would become a
dead letter. The consumer's own decoder is asked, because a release does not list the types that it ignores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shop_contracts.answer.decoding import Read, read_all
from shop_contracts.answer.stored import Group, Message
from shop_contracts.releases.model import Release
from shop_contracts.releases.sending import topics_of_sent_types
from shop_contracts.releases.snapshot import topic_entries

UNKNOWN = "unknown-type"
"""The decoder's reason."""
SHAPE = "its type alone"
ID = "00000000-0000-7000-8000-000000000000"
TIME = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class UnknownType:
    """A type that one release sends and another one, which reads the topic, does not know."""

    consumer: Release
    provider: Release
    type: str
    topic: str
    missed: tuple[str, ...]
    """Other versions of the same event that the consumer reads and the provider does not send."""


async def unknown_types(
    root: Path, asked: Release, others: Sequence[Release], read: Read
) -> list[UnknownType]:
    """Every such type of the release that is asked about and what runs beside it, in both directions.

    Raises UserError if the code of a release cannot be had or cannot be run.
    """
    found: list[UnknownType] = []
    for other in others:
        found += await _of_pair(root, other, asked, read)
        found += await _of_pair(root, asked, other, read)
    return found


async def _of_pair(root: Path, consumer: Release, provider: Release, read: Read) -> list[UnknownType]:
    sent = topics_of_sent_types(root, provider.commit, provider.service)
    read_topics = _topics_of(root, consumer)
    unread = {
        type_: topic for type_, topic in sent.items() if topic in read_topics and type_ not in consumer.reads
    }
    if not unread:
        return []
    outcomes = await read_all(root, consumer, [_group(provider, *one) for one in unread.items()], read)
    return [
        UnknownType(consumer, provider, type_, topic, _missed(consumer, type_, sent))
        for (type_, topic), outcome in zip(unread.items(), outcomes, strict=True)
        if outcome is not None and outcome.reason == UNKNOWN
    ]


def _topics_of(root: Path, consumer: Release) -> set[str]:
    """The topics that a consumer reads."""
    declared = topic_entries(root, consumer.commit)
    return {str(topic["name"]) for topic in declared if set(topic["events"]) & set(consumer.reads)}


def _group(provider: Release, type_: str, topic: str) -> Group:
    """A message that has a type and no data, in the place of stored ones."""
    headers = {
        "ce_id": ID,
        "ce_source": f"/{provider.service}",
        "ce_type": type_,
        "ce_time": TIME,
        "ce_subject": ID,
    }
    encoded = tuple((name, value.encode()) for name, value in headers.items())
    return Group(topic, SHAPE, Message(topic, topic, 0, 0, ID.encode(), b"{}", encoded, 0))


def _missed(consumer: Release, type_: str, sent: Mapping[str, str]) -> tuple[str, ...]:
    name = type_.rpartition(".")[0]
    return tuple(one for one in consumer.reads if one.rpartition(".")[0] == name and one not in sent)
