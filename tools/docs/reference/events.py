"""The sections of a service's events: those that it sends, and those that it handles."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from shop_contracts.contracts import Contracts, Topic
from shop_contracts.fields import fields_of
from shop_contracts.texts import examples_folder
from tools.docs.reference.markdown import anchor, code, field_table, json_block, names

MS_A_DAY = 24 * 60 * 60 * 1000


def sent(contracts: Contracts, service: str, pages: Collection[str]) -> Iterator[str]:
    """The sections of the events that a service sends."""
    yield "## Events that it sends"
    types = contracts.published_by(service)
    if not types:
        yield f"{service} sends no event."
    for type_ in types:
        yield from _sent(contracts, type_, pages)


def _sent(contracts: Contracts, type_: str, pages: Collection[str]) -> Iterator[str]:
    text = contracts.events[type_]
    expected = {one.consumer: one for one in contracts.expectations_of(type_)}
    yield f"### {type_}"
    yield str(text.schema.get("description", ""))
    if topic := contracts.topic_of(type_):
        yield f"Topic {code(topic.name)}, key {code(topic.key)}, {_kept(topic)}."
    yield f"Readers: {names(contracts.readers_of(type_), pages)}."
    yield field_table(
        fields_of(text.schema),
        lambda place: names([name for name, one in expected.items() if one.reads(place)], pages),
    )
    folder = examples_folder(contracts.event_folder(type_), type_).relative_to(contracts.root)
    for file, example in sorted(text.examples.items())[:1]:
        yield f"Example (`{folder}/{file}`):"
        yield json_block(example)


def _kept(topic: Topic) -> str:
    if topic.cleanup_policy == "compact":
        return "the last message of each key is kept"
    days = topic.retention_ms / MS_A_DAY
    return f"kept for {days:g} days"


def received(contracts: Contracts, service: str, pages: Collection[str]) -> Iterator[str]:
    """The sections of the events that a service handles, with the fields that it reads."""
    yield "## Events that it handles"
    types = contracts.handled_by(service)
    if not types:
        yield f"{service} handles no event."
    for type_ in types:
        owner = contracts.owner_of(type_)
        yield f"### {type_}"
        yield f"Sent by {names([owner], pages)}: [all fields]({owner}.md#{anchor(type_)})."
        mine = [one for one in contracts.expectations_of(type_) if one.consumer == service]
        read = [
            field
            for field in fields_of(contracts.events[type_].schema)
            if any(one.reads(field.place) for one in mine)
        ]
        yield field_table(read) or f"{service} has not written down which fields it reads."
