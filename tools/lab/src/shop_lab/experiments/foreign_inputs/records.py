"""Records that are no events of the shop: each builder makes one fault, in an event that is right otherwise."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from shop_lab.experiments.foreign_inputs.batches import Codec, Record, batch_of, sealed, with_wrong_checksum
from shop_lab.experiments.foreign_inputs.events import ORDER_PLACED, Event, EventTopic

Fault = Callable[[EventTopic, random.Random], Event]
"""Makes an event with one fault."""

ATTRIBUTES = (b"ce_id", b"ce_type", b"ce_source", b"ce_time")
"""Those without which a record is no event."""
ODD_ATTRIBUTES: Mapping[bytes, bytes] = {
    b"ce_id": b"not-a-uuid",
    b"ce_type": b"",
    b"ce_source": b"",
    b"ce_time": b"yesterday",
}
LONG_CORRELATION = 2_000_000
LARGE_VALUE = 900_000
INFLATED = 64 * 2**20
"""Bytes that come out of the batch that inflates: what a machine of two cores bears beside the shop."""
GARBAGE = 200


def nul_in_header(topic: EventTopic, dice: random.Random) -> Event:
    """PostgreSQL stores no NUL in text."""
    event = topic.event(dice)
    return event.with_header(dice.choice((b"ce_subject", b"ce_source", b"ce_correlationid")), b"a\x00b")


def no_text_in_header_name(topic: EventTopic, dice: random.Random) -> Event:
    """A header name that is not UTF-8. The type is unknown, so the record is a dead letter once it is read."""
    return unknown_type(topic, dice).with_header(b"\xff\xfe\x00", b"x")


def no_text_in_header_value(topic: EventTopic, dice: random.Random) -> Event:
    """An attribute that is not UTF-8."""
    return topic.event(dice).with_header(dice.choice(ATTRIBUTES), b"\xff\xfe\x80")


def no_headers(topic: EventTopic, dice: random.Random) -> Event:
    """Key and value alone."""
    return replace(topic.event(dice), headers={})


def missing_attribute(topic: EventTopic, dice: random.Random) -> Event:
    """An attribute is missing without which there is no event."""
    return topic.event(dice).without_header(dice.choice(ATTRIBUTES))


def odd_attribute(topic: EventTopic, dice: random.Random) -> Event:
    """An attribute has a value that it cannot have."""
    name = dice.choice(ATTRIBUTES)
    return topic.event(dice).with_header(name, ODD_ATTRIBUTES[name])


def wrong_source(topic: EventTopic, dice: random.Random) -> Event:
    """A source that does not own the topic."""
    return topic.event(dice).with_header(b"ce_source", b"/somewhere-else")


def key_is_not_subject(topic: EventTopic, dice: random.Random) -> Event:
    """The record stands under another key than its subject: nothing keeps their order."""
    return replace(topic.event(dice), key=b"another-key")


def random_bytes(topic: EventTopic, dice: random.Random) -> Event:
    """Key and value are any bytes, under headers that are right."""
    return replace(topic.event(dice), key=dice.randbytes(16), value=dice.randbytes(GARBAGE))


def no_value(topic: EventTopic, dice: random.Random) -> Event:
    """A tombstone on a topic that knows none."""
    return replace(topic.event(dice), value=None)


def unknown_type(topic: EventTopic, dice: random.Random) -> Event:
    """A type that no contract has."""
    return topic.event(dice).with_header(b"ce_type", b"foreign.unheard-of.v1")


def data_is(data: Any) -> Fault:
    """Data that is JSON and not what the type's schema says."""
    return lambda topic, dice: topic.event(dice).with_data(data)


def wrong_types(topic: EventTopic, dice: random.Random) -> Event:
    """Each field has a value of another JSON type; the key alone is right."""
    event = topic.event(dice)
    wrong = {name: [value] if isinstance(value, str) else "seven" for name, value in event.data.items()}
    return event.with_data(wrong | {topic.key: event.data[topic.key]})


def huge_numbers(topic: EventTopic, dice: random.Random) -> Event:
    """A version that fits into no column. Of what is on the orders' topic analytics keeps it."""
    return topic.event(dice).with_field("version", dice.choice((3_000_000_000, 2**63, 10**400)))


def order_with(field: str, value: Any) -> Fault:
    """An order-placed with another value in a field of text."""
    return lambda topic, dice: topic.event(dice, ORDER_PLACED).with_field(field, value)


def long_correlation(topic: EventTopic, dice: random.Random) -> Event:
    """A correlation id that the record's reader cannot pass on: its own events would be too large."""
    return topic.event(dice, ORDER_PLACED).with_header(b"ce_correlationid", b"c" * LONG_CORRELATION)


# --- Batches --------------------------------------------------------------------------------------


def inflating_batch(record: Record) -> bytes:
    """A batch of some kB out of which INFLATED bytes come."""
    return batch_of([record._replace(value=bytes(INFLATED))], Codec.GZIP)


def wrong_checksum(record: Record, dice: random.Random) -> bytes:
    """A batch that was damaged on the way."""
    return with_wrong_checksum(batch_of([record]))


def no_records(record: Record, dice: random.Random) -> bytes:
    """A batch of random bytes in place of its records. Its checksum fits."""
    return sealed(dice.randbytes(GARBAGE), 1)


def not_compressed(record: Record, dice: random.Random) -> bytes:
    """A batch that says it is compressed and is not.

    Never by snappy: random bytes then say how much memory the broker is to allocate, and it does. That ends a broker of
    a small heap (seen with Kafka 4.3), and would prove nothing about the shop.
    """
    codec = dice.choice((Codec.GZIP, Codec.LZ4, Codec.ZSTD))
    return sealed(dice.randbytes(GARBAGE), 1, codec)
