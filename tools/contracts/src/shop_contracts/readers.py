"""Who reads an event, or one field of it: the question before a change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from shop_contracts.contracts import Contracts
from shop_contracts.expectations import Expectation
from shop_contracts.fields import fields_of
from shop_contracts.texts import Schema
from shop_stack.errors import UserError


@dataclass(frozen=True, slots=True)
class Reader:
    """One consumer of an event."""

    consumer: str
    deployed: str
    """The version that runs; empty if it is not known."""
    fields: tuple[str, ...] | None
    """The fields that it reads. None if it has not written them down: it may read each of them."""
    pending: bool
    if_present: tuple[str, ...] = ()
    """The fields that it reads where they are present."""


@dataclass(frozen=True, slots=True)
class Readers:
    """The consumers of an event, or of one field of it."""

    event: str
    owner: str
    field: str
    """Empty: the whole event was asked for."""
    readers: tuple[Reader, ...]

    @property
    def sentence(self) -> str:
        """The answer in one sentence."""
        what = f"`{self.field}` of {self.event}" if self.field else self.event
        names = [reader.consumer for reader in self.readers]
        if not names:
            return f"No consumer reads {what}, which {self.owner} publishes."
        verb = "reads" if len(names) == 1 else "read"
        unwritten = [reader.consumer for reader in self.readers if reader.fields is None]
        more = f" ({', '.join(unwritten)} by its subscription alone)" if unwritten else ""
        return f"{', '.join(names)} {verb} {what}{more}, which {self.owner} publishes."

    def as_json(self) -> dict[str, Any]:
        """The answer for programs. `fields` is null for a consumer that has not written them down."""
        return {
            "event": self.event,
            "owner": self.owner,
            "field": self.field or None,
            "sentence": self.sentence,
            "readers": [
                {
                    "consumer": reader.consumer,
                    "deployed": reader.deployed or None,
                    "fields": None if reader.fields is None else list(reader.fields),
                    "fields_if_present": list(reader.if_present),
                    "pending": reader.pending,
                }
                for reader in self.readers
            ],
        }


def who_reads(
    contracts: Contracts, event: str, field: str = "", deployed: Mapping[str, str] | None = None
) -> Readers:
    """The consumers of an event. `field` is a path such as `total.currency` or `lines[].sku`.

    `event` is a type, or the end of one: `orders.order-placed.v1`, `order-placed`. `deployed`: service → version.

    Raises UserError if there is no such event or field, or if several events match.
    """
    type_ = event_type(contracts, event)
    found = contracts.readers_of(type_, field)
    known = places_of(contracts.events[type_].schema)
    if field and field not in known and not any(found.values()):
        raise UserError(f"{type_} has no field {field!r}: its fields are {', '.join(known)}.")
    running = deployed or {}
    readers = [_reader(consumer, written, running.get(consumer, "")) for consumer, written in found.items()]
    return Readers(type_, contracts.owner_of(type_), field, tuple(readers))


def _reader(consumer: str, written: Expectation | None, version: str) -> Reader:
    if written is None:
        return Reader(consumer, version, None, pending=False)
    if_present = tuple(sorted(written.if_present))
    return Reader(consumer, version, tuple(leaves(written.fields)), written.pending, if_present)


def leaves(fields: Sequence[str] | frozenset[str]) -> list[str]:
    """The fields that have no other field of the list below them, sorted."""
    names = sorted(fields)
    return [
        name
        for name in names
        if not any(other.startswith((f"{name}.", f"{name}[]")) for other in names if other != name)
    ]


def event_type(contracts: Contracts, event: str) -> str:
    """The type that a name means. Raises UserError if there is none, or more than one."""
    types = list(contracts.events)
    if event in types:
        return event
    found = [type_ for type_ in types if event in (type_.rpartition(".")[0], type_.split(".")[1])]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{event!r} is {' and '.join(found)}: write the whole type.")
    close = get_close_matches(event, types, n=3, cutoff=0.4) or types
    raise UserError(f"There is no event {event!r}. Did you mean {' or '.join(close)}?")


def places_of(schema: Schema) -> list[str]:
    """The fields of an event's schema, as paths, in the order of the schema."""
    return [field.place for field in fields_of(schema)]
