"""Invariant 5: the events of a key are in the order of their versions."""

from __future__ import annotations

from shop_observe.kafka_log import Entry
from shop_oracle.evidence import Evidence
from shop_oracle.invariants.judgement import Judgement


def no_key_is_out_of_order(evidence: Evidence) -> Judgement:
    """No key is out of order on any topic

    The version grows from event to event. A repeated event is ignored. On a compacted topic the same state may be
    published again. A key stays on its partition, unless partitions were added to its topic.
    """
    judgement = Judgement("")
    declared = {type_ for topic in evidence.topics for type_ in topic.events}
    topics = {topic.name: topic for topic in evidence.topics}
    latest: dict[tuple[str, str, str], Entry] = {}
    versions: dict[tuple[str, str, str], int] = {}
    seen: set[str] = set()
    for entry in evidence.events():
        data = entry.data
        version = data.get("version")
        if entry.type not in declared or not entry.id or entry.id in seen or not isinstance(version, int):
            continue
        seen.add(entry.id)
        # The key of a notification is its order, but each notification is an aggregate of its own.
        line = entry.topic, entry.key, data.get("notification_id", "")
        if before := latest.get(line):
            place = f"{entry.topic} key {entry.key}"
            again = topics[entry.topic].compacted and has_the_same_content(before, entry)
            twice = version == versions[line] and is_other_version(before.type, entry.type)
            if version <= versions[line] and not again and not twice:
                expected = f"{entry.type} after version {versions[line]} of {before.place}"
                judgement.violated(place, expected, f"version {version} at {entry.place}")
            present = evidence.log.partitions.get(entry.topic, 0)
            if not may_follow(before.partition, entry.partition, topics[entry.topic].partitions, present):
                judgement.violated(place, f"partition {before.partition} for all of its events", entry.place)
        latest[line], versions[line] = entry, version
    judgement.judged = f"{len(latest)} keys"
    return judgement


def has_the_same_content(before: Entry, after: Entry) -> bool:
    """Whether two events of a key have the same type and the same data, including the version."""
    return before.type == after.type and before.data == after.data


def is_other_version(before: str, after: str) -> bool:
    """Whether two types are versions of one event: its owner publishes both for a while, with the same `version`."""
    return before != after and before.rpartition(".")[0] == after.rpartition(".")[0]


def may_follow(before: int, after: int, declared: int, present: int) -> bool:
    """Whether the events of a key may move from partition `before` of a topic to partition `after`.

    They may only if partitions were added: from the `declared` number, each time to a multiple of the number before,
    up to the `present` number. Then a key stays on its partition or moves to a new one.
    """
    earlier = [n for n in range(declared, present, declared) if present % n == 0]
    return before == after or any(before < n <= after and after % n == before for n in earlier)
