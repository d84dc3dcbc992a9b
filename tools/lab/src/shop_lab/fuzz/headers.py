"""Steps that change the bytes of a record: its value, its key, its headers, and the batch around it."""

from __future__ import annotations

import gzip
import random
from collections.abc import Mapping
from dataclasses import replace

from shop_lab.experiments.foreign_inputs.batches import Codec, batch_of, sealed, with_wrong_checksum
from shop_lab.fuzz.draft import Change, Draft

ATTRIBUTES = (b"ce_id", b"ce_type", b"ce_source", b"ce_time", b"ce_subject", b"ce_correlationid")
OTHER_HEADERS = (b"ce_specversion", b"ce_dataschema", b"ce_causationid", b"content-type", b"traceparent")
BYTES = (
    b"", b" ", b"\x00", b"a\x00b", b"\xff\xfe\x80", b"\xed\xa0\x80", b"\xc0\xaf", "é".encode() * 251, b"a" * 500,
    b"a" * 501, b"a" * 5_000, "\u202e".encode(), b"\r\nce_id: 1", b"null", b"{}", b"1.0", b"2.0", b"/orders", b"/",
    b"orders.order-placed.v1", b"orders.order-placed.v999", b"ORDERS.ORDER-PLACED.V1", b"foreign.unheard-of.v1",
    b"2026-03-02T09:00:00Z", b"2026-03-02", b"10000-01-01T00:00:00Z", b"application/xml", b"00-0-0-00",
    b"00-" + b"f" * 32 + b"-" + b"0" * 16 + b"-01",
)  # fmt: skip
NAMES = (
    b"",
    b"\xff\xfe\x00",
    b"CE_ID",
    b"ce_id ",
    b"ce_",
    b"chassis-unreadable",
    b"Content-Type",
    b"n" * 5_000,
    b"\x00",
)
MANY_HEADERS = (100, 1_000, 1_001, 5_000)
GARBAGE = 200


def changed_bytes(draft: Draft, dice: random.Random) -> Draft:
    """Some bytes of the value are others, gone or new."""
    value = bytearray(draft.value or b"")
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(value) + 1)
        match dice.randrange(3):
            case 0:
                value[at : at + 1] = dice.randbytes(1)
            case 1:
                del value[at : at + dice.randint(1, 30)]
            case _:
                value[at:at] = dice.choice(
                    (dice.randbytes(3), b"\x00", b'"', b"}", b"\\u0000", b"NaN", b"\xef\xbb\xbf")
                )
    return replace(draft, value=bytes(value))


def other_encoding(draft: Draft, dice: random.Random) -> Draft:
    """The value is compressed, in another encoding, or has bytes around it that JSON does not allow."""
    value = draft.value or b""
    text = value.decode(errors="replace")
    forms = (
        gzip.compress(value),
        gzip.compress(value)[:-9],
        text.encode("utf-16"),
        text.encode("utf-8-sig"),
        value + b" \n\t",
        value + b"\x00",
        value + value,
        dice.randbytes(GARBAGE),
        b"\x1f\x8b" + dice.randbytes(GARBAGE),
    )
    return replace(draft, value=dice.choice(forms))


def no_value(draft: Draft, dice: random.Random) -> Draft:
    """A tombstone, or a value without bytes."""
    return replace(draft, value=dice.choice((None, None, b"", b"null")))


def other_key(draft: Draft, dice: random.Random) -> Draft:
    """A key that is missing, empty, not text, very long, or not the subject."""
    key = draft.key or b""
    keys = (
        None,
        b"",
        dice.randbytes(16),
        key + b"\x00",
        key.upper(),
        key[:-1],
        b"k" * 100_000,
        b"another-key",
    )
    return replace(draft, key=dice.choice(keys))


def other_subject(draft: Draft, dice: random.Random) -> Draft:
    """Key and subject are the same, but not the key of the data; or they are odd bytes."""
    key = dice.choice((b"another-" + (draft.key or b""), (draft.key or b"").upper(), *BYTES))
    return replace(draft, key=key).with_header(b"ce_subject", key)


def odd_attribute(draft: Draft, dice: random.Random) -> Draft:
    """A header of an event has an odd value."""
    name = dice.choice((*ATTRIBUTES, *ATTRIBUTES, *OTHER_HEADERS))
    return draft.with_header(name, dice.choice((None, *BYTES)))


def missing_header(draft: Draft, dice: random.Random) -> Draft:
    """Some headers are missing, or all."""
    gone = dice.choice((1, 1, 1, 2, len(draft.headers)))
    kept = sorted(dice.sample(range(len(draft.headers)), len(draft.headers) - gone))
    return replace(draft, headers=tuple(draft.headers[number] for number in kept))


def repeated_header(draft: Draft, dice: random.Random) -> Draft:
    """A header occurs twice, with two values. Kafka allows it."""
    again = (dice.choice(ATTRIBUTES), dice.choice((None, *BYTES)))
    headers = (again, *draft.headers) if dice.random() < 0.5 else (*draft.headers, again)
    return replace(draft, headers=headers)


def odd_header(draft: Draft, dice: random.Random) -> Draft:
    """One more header, with an odd name."""
    return replace(draft, headers=(*draft.headers, (dice.choice(NAMES), dice.choice((None, *BYTES)))))


def many_headers(draft: Draft, dice: random.Random) -> Draft:
    """Very many headers, or one that is very long."""
    if dice.random() < 0.3:
        return draft.with_header(dice.choice((b"x", *ATTRIBUTES)), b"h" * dice.choice((10_000, 200_000)))
    more = tuple((b"h%d" % (number % 7), b"") for number in range(dice.choice(MANY_HEADERS)))
    return replace(draft, headers=(*draft.headers, *more))


def other_type(draft: Draft, dice: random.Random) -> Draft:
    """The type of another event of this topic, or of none."""
    here = sorted(set(draft.topic.examples) - {draft.type}) or [draft.type]
    name, _, version = draft.type.rpartition(".")
    odd = (
        f"{name}.v99",
        f"{name}.v0",
        f"{name}.{version} ",
        name,
        version,
        draft.type.upper(),
        "orders.order-placed.v1",
    )
    chosen = dice.choice(here) if dice.random() < 0.5 else dice.choice(odd)
    return draft.with_header(b"ce_type", chosen.encode())


def compressed(draft: Draft, dice: random.Random) -> Draft:
    """The batch is compressed. The record stays what it is."""
    return replace(draft, codec=dice.choice([codec for codec in Codec if codec is not Codec.NONE]))


def twice(draft: Draft, dice: random.Random) -> Draft:
    """The batch has the record two or three times. The second one is a duplicate."""
    return replace(draft, copies=dice.randint(2, 3))


def damaged_batch(draft: Draft, dice: random.Random) -> Draft:
    """The batch is damaged: its checksum is wrong, or its records are garbage. A broker refuses most of them.

    Snappy is left out, as in the lab's foreign inputs: a broker with a small heap can end at it.
    """
    codec = dice.choice((Codec.NONE, Codec.GZIP, Codec.LZ4, Codec.ZSTD))
    garbage = dice.randbytes(GARBAGE)
    if dice.random() < 0.5:
        return replace(draft, to_batch=lambda records: sealed(garbage, 1, codec))
    return replace(draft, to_batch=lambda records: with_wrong_checksum(batch_of(records, codec)))


VALUE: Mapping[str, tuple[Change, int]] = {
    "changed bytes": (changed_bytes, 6),
    "another encoding": (other_encoding, 3),
    "no value": (no_value, 2),
}
HEADERS: Mapping[str, tuple[Change, int]] = {
    "another key": (other_key, 3),
    "another subject": (other_subject, 3),
    "an odd attribute": (odd_attribute, 8),
    "a missing header": (missing_header, 3),
    "a repeated header": (repeated_header, 4),
    "an odd header": (odd_header, 3),
    "many headers": (many_headers, 1),
    "another type": (other_type, 3),
}
BATCH: Mapping[str, tuple[Change, int]] = {
    "a compressed batch": (compressed, 4),
    "the record twice": (twice, 2),
    "a damaged batch": (damaged_batch, 1),
}
"""Name → the step and its weight."""
