"""Records that are not events of the shop: each builder makes one fault in an event that is valid otherwise."""

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
"""Attributes that an event must have."""
ODD_ATTRIBUTES: Mapping[bytes, bytes] = {
    b"ce_id": b"not-a-uuid",
    b"ce_type": b"",
    b"ce_source": b"",
    b"ce_time": b"yesterday",
}
LONG_CORRELATION = 2_000_000
LARGE_VALUE = 900_000
INFLATED = 64 * 2**20
"""Bytes of the batch after decompression: as many as two cores can handle in addition to the shop's load."""
GARBAGE = 200


def nul_in_header(topic: EventTopic, dice: random.Random) -> Event:
    """A header value with NUL, which PostgreSQL cannot store in text."""
    event = topic.event(dice)
    return event.with_header(dice.choice((b"ce_subject", b"ce_source", b"ce_correlationid")), b"a\x00b")


def no_text_in_header_name(topic: EventTopic, dice: random.Random) -> Event:
    """A header name that is not UTF-8. The type is unknown, so a reader that parses the record stores a dead letter."""
    return unknown_type(topic, dice).with_header(b"\xff\xfe\x00", b"x")


def no_text_in_header_value(topic: EventTopic, dice: random.Random) -> Event:
    """An attribute that is not UTF-8."""
    return topic.event(dice).with_header(dice.choice(ATTRIBUTES), b"\xff\xfe\x80")


def no_headers(topic: EventTopic, dice: random.Random) -> Event:
    """A record with key and value, but without headers."""
    return replace(topic.event(dice), headers={})


def missing_attribute(topic: EventTopic, dice: random.Random) -> Event:
    """An event without one of the required attributes."""
    return topic.event(dice).without_header(dice.choice(ATTRIBUTES))


def odd_attribute(topic: EventTopic, dice: random.Random) -> Event:
    """An event with an invalid value of one required attribute."""
    name = dice.choice(ATTRIBUTES)
    return topic.event(dice).with_header(name, ODD_ATTRIBUTES[name])


def wrong_source(topic: EventTopic, dice: random.Random) -> Event:
    """A source that does not own the topic."""
    return topic.event(dice).with_header(b"ce_source", b"/somewhere-else")


def key_is_not_subject(topic: EventTopic, dice: random.Random) -> Event:
    """A key that differs from the subject, so that nothing keeps the order of the subject's events."""
    return replace(topic.event(dice), key=b"another-key")


def random_bytes(topic: EventTopic, dice: random.Random) -> Event:
    """Random bytes as key and value, with valid headers."""
    return replace(topic.event(dice), key=dice.randbytes(16), value=dice.randbytes(GARBAGE))


def no_value(topic: EventTopic, dice: random.Random) -> Event:
    """A record without a value, on a topic that has no tombstones."""
    return replace(topic.event(dice), value=None)


def unknown_type(topic: EventTopic, dice: random.Random) -> Event:
    """A type that the contracts do not have."""
    return topic.event(dice).with_header(b"ce_type", b"foreign.unheard-of.v1")


def data_is(data: Any) -> Fault:
    """Data that is JSON, but does not match the schema of the type."""
    return lambda topic, dice: topic.event(dice).with_data(data)


def wrong_types(topic: EventTopic, dice: random.Random) -> Event:
    """A value of another JSON type in each field, except the key."""
    event = topic.event(dice)
    wrong = {name: [value] if isinstance(value, str) else "seven" for name, value in event.data.items()}
    return event.with_data(wrong | {topic.key: event.data[topic.key]})


def huge_numbers(topic: EventTopic, dice: random.Random) -> Event:
    """A version that is too large for any column. On the topic of orders, only analytics stores the version."""
    return topic.event(dice).with_field("version", dice.choice((3_000_000_000, 2**63, 10**400)))


def order_with(field: str, value: Any) -> Fault:
    """An order-placed event with another value in a text field."""
    return lambda topic, dice: topic.event(dice, ORDER_PLACED).with_field(field, value)


def long_correlation(topic: EventTopic, dice: random.Random) -> Event:
    """A correlation id that its reader cannot pass on, because the reader's own events would be too large."""
    return topic.event(dice, ORDER_PLACED).with_header(b"ce_correlationid", b"c" * LONG_CORRELATION)


# --- Batches --------------------------------------------------------------------------------------


def inflating_batch(record: Record) -> bytes:
    """A batch of some kB that decompresses to INFLATED bytes."""
    return batch_of([record._replace(value=bytes(INFLATED))], Codec.GZIP)


def wrong_checksum(record: Record, dice: random.Random) -> bytes:
    """A damaged batch, whose checksum is wrong."""
    return with_wrong_checksum(batch_of([record]))


def no_records(record: Record, dice: random.Random) -> bytes:
    """A batch with random bytes instead of records. Its checksum is correct."""
    return sealed(dice.randbytes(GARBAGE), 1)


def not_compressed(record: Record, dice: random.Random) -> bytes:
    """A batch whose header says that it is compressed, although it is not.

    Snappy is left out: a broker would take random bytes as the size of memory to allocate. With a small heap that ends
    the broker (seen with Kafka 4.3), and proves nothing about the shop.
    """
    codec = dice.choice((Codec.GZIP, Codec.LZ4, Codec.ZSTD))
    return sealed(dice.randbytes(GARBAGE), 1, codec)
