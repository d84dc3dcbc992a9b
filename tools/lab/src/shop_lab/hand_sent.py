"""One record that a tester sends by hand: made from a contract's example, changed, damaged or sent twice.

record = compose(contracts, "order-placed", Changes(sets=["lines.0.quantity=3"], corrupt="wrong-source"))
sent = await send(kafka, record, times=2)
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from aiokafka.errors import KafkaError

from shop_lab.experiments.foreign_inputs import records
from shop_lab.experiments.foreign_inputs.batches import RawProducer, Record, batch_of
from shop_lab.experiments.foreign_inputs.events import Event, EventTopic, example_files, topics_of
from shop_lab.experiments.foreign_inputs.input import Place
from shop_lab.experiments.foreign_inputs.records import Fault
from shop_observe.contract import Contract
from shop_observe.kafka_log import to_entry
from shop_observe.topics import declared_topics
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess

FAULTS: Mapping[str, Fault] = {
    "nul-in-header": records.nul_in_header,
    "header-name-not-text": records.no_text_in_header_name,
    "header-value-not-text": records.no_text_in_header_value,
    "no-headers": records.no_headers,
    "missing-attribute": records.missing_attribute,
    "odd-attribute": records.odd_attribute,
    "wrong-source": records.wrong_source,
    "key-is-not-subject": records.key_is_not_subject,
    "random-bytes": records.random_bytes,
    "no-value": records.no_value,
    "unknown-type": records.unknown_type,
    "empty-data": records.data_is({}),
    "null-data": records.data_is(None),
    "list-data": records.data_is([]),
    "wrong-types": records.wrong_types,
    "huge-version": records.huge_numbers,
}
"""Kind → the function that makes this fault in an event. Each record becomes a dead letter of its readers."""

DAMAGES: Mapping[str, Callable[[Record, random.Random], bytes]] = {
    "wrong-checksum": records.wrong_checksum,
    "random-batch": records.no_records,
    "not-compressed": records.not_compressed,
}
"""Kind → the function that damages the batch around an event. A broker refuses most of them."""

KINDS = (*FAULTS, *DAMAGES)


@dataclass(frozen=True)
class OneEvent(EventTopic):
    """A topic of which every event is `given`, so that a Fault is made in this one."""

    given: Event

    def event(self, dice: random.Random, type: str = "") -> Event:
        """The event that was given."""
        return self.given


@dataclass(frozen=True)
class Changes:
    """What a tester wants of the record."""

    example: str = ""
    """The name of the contract's example; empty for the first one."""
    sets: Sequence[str] = ()
    """Changes of the data, each as ``path=value``."""
    corrupt: str = ""
    """One of KINDS."""
    raw: bool = False
    """Whether the record may break its schema."""


@dataclass(frozen=True)
class HandMade:
    """A record that is ready to be sent."""

    event: Event
    readers: Sequence[str]
    batch: bytes


class Sent(NamedTuple):
    """The result of sending: the places of the copies, or the reason why the broker refused the first one."""

    places: Sequence[Place]
    refused: str


def compose(contracts: Path, name: str, changes: Changes, dice: random.Random | None = None) -> HandMade:
    """Make the record. `name` is an event's type, or its name without service and version.

    Raises UserError if there is no such event, example, path or kind, or if the event breaks its schema and is
    neither `raw` nor corrupt.
    """
    dice = dice or random.Random()
    topic, type_ = event_of(topics_of(contracts), name)
    event = _changed(topic, _example(contracts, topic, type_, changes.example, dice), changes.sets)
    if changes.corrupt and changes.corrupt not in KINDS:
        raise UserError(f"There is no fault {changes.corrupt!r}: choose one of {', '.join(KINDS)}.")
    if not changes.raw and not changes.corrupt and (fault := fault_of(contracts, event)):
        raise UserError(f"This is no valid {type_}: {fault}. Send it all the same with --raw.")
    if changes.corrupt in FAULTS:
        event = FAULTS[changes.corrupt](OneEvent(**vars(topic), given=event), dice)
    damage = DAMAGES.get(changes.corrupt)
    batch = damage(event.record, dice) if damage else batch_of([event.record])
    return HandMade(event, topic.readers, batch)


async def send(kafka: KafkaAccess, made: HandMade, times: int = 1) -> Sent:
    """Send the record to the partition of its key. Raises UserError if Kafka does not answer."""
    topic = made.event.topic
    places: list[Place] = []
    try:
        async with RawProducer(kafka, [topic]) as producer:
            partition = producer.partition_of(topic, made.event.key)
            for _ in range(times):
                offset = await producer.send(topic, partition, made.batch)
                places.append(Place(topic, partition, offset))
    except KafkaError as error:
        if error.retriable:
            raise UserError(f"Kafka does not answer ({type(error).__name__}): see `shop status`.") from None
        return Sent(places, type(error).__name__)
    return Sent(places, "")


def event_of(topics: Mapping[str, EventTopic], name: str) -> tuple[EventTopic, str]:
    """The topic and the type of an event. Raises UserError if the name fits no event, or several."""
    known = {type_: topic for topic in topics.values() for type_ in topic.examples}
    fitting = [type_ for type_ in known if name in (type_, type_.split(".")[1], type_.rpartition(".")[0])]
    if not fitting:
        raise UserError(f"There is no event {name!r}: choose one of {', '.join(sorted(known))}.")
    if len(fitting) > 1:
        raise UserError(f"{name!r} fits several events: choose one of {', '.join(sorted(fitting))}.")
    return known[fitting[0]], fitting[0]


def _example(contracts: Path, topic: EventTopic, type_: str, name: str, dice: random.Random) -> Event:
    """A valid event from the named example, or from the first one. Its id and its key are new."""
    files = {file.stem: file for file in example_files(contracts, type_)}
    chosen = name or next(iter(files))
    if chosen not in files:
        raise UserError(f"{type_} has no example {name!r}: choose one of {', '.join(files)}.")
    data = json.loads(files[chosen].read_text())
    return replace(topic, examples={type_: [data]}).event(dice, type_)


def _changed(topic: EventTopic, event: Event, sets: Sequence[str]) -> Event:
    """The event with changed data. If its key field is changed, the key and the headers follow."""
    data = event.data
    for one in sets:
        path, equals, value = one.partition("=")
        if not equals or not path:
            raise UserError(f"{one!r} changes nothing: write it as path=value, such as lines.0.quantity=3.")
        put(data, path, value_of(value))
    key = str(data.get(topic.key, "")).encode()
    headers = {**event.headers, b"ce_subject": key, b"ce_correlationid": key}
    return replace(event.with_data(data), key=key, headers=headers)


def value_of(text: str) -> Any:
    """The value that a text means: JSON, or else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def put(data: Any, path: str, value: Any) -> None:
    """Replace the value at a path such as ``lines.0.quantity``. The last name may be a new field of an object.

    Raises UserError if the path leads nowhere.
    """
    *way, last = path.split(".")
    place = data
    for name in way:
        place = _inside(place, name, path)
    if isinstance(place, dict):
        place[last] = value
        return
    _inside(place, last, path)
    place[int(last)] = value


def _inside(place: Any, name: str, path: str) -> Any:
    try:
        return place[int(name)] if isinstance(place, list) else place[name]
    except (LookupError, TypeError, ValueError):
        known = ", ".join(place) if isinstance(place, dict) else f"{len(place)} items, from 0"
        if not isinstance(place, dict | list):
            known = "a single value"
        raise UserError(f"The path {path} leads nowhere: before {name!r} there is {known}.") from None


@dataclass(frozen=True)
class _Unsent:
    """A record before it is sent, in the form that `to_entry` reads."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    partition: int = 0
    offset: int = 0
    timestamp: int = 0


def fault_of(contracts: Path, event: Event) -> str:
    """Why the event breaks the contract of its topic; empty if it does not."""
    headers = [(name.decode(), value) for name, value in event.headers.items()]
    record = _Unsent(event.topic, event.key, event.value, headers)
    return to_entry(record, Contract(contracts, declared_topics(contracts))).fault
