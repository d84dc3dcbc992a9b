"""Invariant 6: each event that a service wrote was sent, and each subscriber handled it or stored a dead letter."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from shop_observe.topics import Topic
from shop_oracle.evidence import Evidence
from shop_oracle.invariants.judgement import Judgement
from shop_oracle.invariants.subscribers import subscribers_of


def nothing_is_lost_between_services(evidence: Evidence) -> Judgement:
    """Outbox ⊆ Kafka ⊆ inbox + dead letters

    Every event that a service wrote was sent, and each subscriber handled it or kept it as a dead letter. Copies of
    dead letters are sent to topics of their own. A foreign record must be among the dead letters of each reader.
    """
    judgement = Judgement(f"{len(evidence.outbox)} written, {len(evidence.log.entries)} sent")
    sent = {entry.id for log in (evidence.log, evidence.copies) for entry in log.entries}
    compacted = {topic.name for topic in evidence.topics if topic.compacted}
    topics = {topic.name: topic for topic in evidence.topics}
    for row in evidence.outbox:
        log = evidence.log if row.topic in topics else evidence.copies
        # Compaction keeps only the newest event of a key, and that event contains the whole state.
        if row.event_id not in sent and row.topic not in compacted and log.remembers(row.time):
            judgement.expect(
                False, f"event {row.event_id}", f"{row.type} of {row.key} on {row.topic}", "not sent"
            )
    stored = {(letter.group, letter.place) for letter in evidence.dead_letters}
    stored_ids = {(letter.group, letter.event_id) for letter in evidence.dead_letters if letter.event_id}
    subscribers = subscribers_of(evidence)
    remembered_since = evidence.taken_at - longest_retention(evidence.topics)
    forgotten = 0
    for entry in evidence.log.entries:
        if entry.topic in compacted and entry.at < remembered_since:
            forgotten += 1
            continue
        topic = topics[entry.topic]
        # A type that is not declared for the topic is refused there, so every reader must have stored a dead letter.
        for group in subscribers[entry.type] if entry.type in topic.events else topic.readers:
            if (entry.source, entry.id) in evidence.inbox.get(group, ()):
                continue
            place = entry.topic, entry.partition, entry.offset
            if (group, place) not in stored and (group, entry.id) not in stored_ids:
                expected = f"{entry.type or 'a message'} in the inbox or the dead letters of {group}"
                judgement.violated(
                    f"event {entry.id or entry.place}", expected, f"neither; the message is at {entry.place}"
                )
    if forgotten:
        judgement.unjudged = f"{forgotten} of compacted topics may be older than the rows of the inboxes"
    return judgement


def longest_retention(topics: Sequence[Topic]) -> timedelta:
    """The time for which every inbox keeps its rows at least (docs/decisions/0020).

    A message on a compacted topic stays longer, so it is not judged once it is older.
    """
    return max((topic.retention for topic in topics if topic.retention is not None), default=timedelta(0))
