"""What travels between services: CloudEvents 1.0 in Kafka's binary mode, and the models of an event's data.

Specification: CloudEvents 1.0.2 and its Kafka protocol binding (attributes in `ce_*` headers, data as the value).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

import uuid_utils.compat
from pydantic import BaseModel, ConfigDict, Field

from chassis import telemetry

T = TypeVar("T")
Headers = list[tuple[str, bytes]]
LONGEST_NAME = 500
"""Characters of a subject or a source: both are in indexes, which take no more than 2,700 bytes."""


def new_id() -> UUID:
    """A UUIDv7: unique, and in the order of time, so that indexes on it stay dense."""
    return uuid_utils.compat.uuid7()


class Money(BaseModel):
    """An amount in minor units (cents) of an ISO-4217 currency."""

    model_config = ConfigDict(frozen=True)

    amount_minor: int
    currency: str = Field(pattern=r"^[A-Z]{3}$")


class PublishedEvent(BaseModel):
    """An event that a service publishes; the model matches the event's schema exactly.

    class OrderPlaced(PublishedEvent, type="orders.order-placed.v1", topic="orders.order.v1", key="order_id")
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_type: ClassVar[str]
    topic: ClassVar[str]
    key: ClassVar[str]

    def __init_subclass__(cls, *, type: str, topic: str, key: str) -> None:
        super().__init_subclass__()
        cls.event_type, cls.topic, cls.key = type, topic, key

    @property
    def subject(self) -> str:
        """The id of the aggregate that the event is about: the message's key."""
        return str(getattr(self, self.key))


class ConsumedEvent(BaseModel):
    """A service's own read model of somebody's event: only the fields that it reads, all others are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    event_type: ClassVar[str]
    topic: ClassVar[str]

    def __init_subclass__(cls, *, type: str, topic: str) -> None:
        super().__init_subclass__()
        cls.event_type, cls.topic = type, topic


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something is published: the event before it, the conversation it belongs to, the span to continue."""

    event_id: UUID | None
    correlation_id: str
    traceparent: str | None

    @classmethod
    def of_request(cls, correlation_id: str) -> "Cause":
        """The cause is a request or a clock, not an event: continue the span that is current."""
        return cls(None, correlation_id, telemetry.current_traceparent())


@dataclass(frozen=True, slots=True)
class Received(Generic[T]):
    """One event as a handler gets it. `cause` is what to pass on when something is published because of it."""

    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    data: T
    cause: Cause


Batch = Sequence[Received[T]]


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message as a transport delivers it, not yet understood. `position` is where it stood: (partition, offset)."""

    topic: str
    position: tuple[int, int]
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Undecodable(Exception):
    """A message that is no CloudEvent of ours. `reason` is a slug for machines, the text is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def encode(
    *,
    id: UUID,
    source: str,
    type: str,
    subject: str,
    time: datetime,
    correlation_id: str,
    causation_id: UUID | None,
    traceparent: str | None,
) -> Headers:
    """The headers of one event; the value is its data, as it is."""
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": str(id),
        "ce_source": source,
        "ce_type": type,
        "ce_time": time.isoformat(),
        "ce_subject": subject,
        "ce_dataschema": dataschema(type),
        "content-type": "application/json",
        "ce_correlationid": correlation_id,
        "ce_causationid": None if causation_id is None else str(causation_id),
        "traceparent": traceparent,
    }
    return [(name, value.encode()) for name, value in attributes.items() if value is not None]


def dataschema(type: str) -> str:
    """The name of the schema of an event type: `a.b-happened.v1` → `urn:shopfloor:schema:a.b-happened:v1`."""
    name, _, version = type.rpartition(".")
    return f"urn:shopfloor:schema:{name}:{version}"


def decode(message: RawMessage) -> Received[bytes]:
    """Read a message's headers; its data stays the JSON that it is.

    Raises Undecodable with reason `no-headers`, `no-id`, `bad-id`, `no-type`, `no-source`, `bad-time`, `no-data` or
    `too-long`.
    """
    try:
        headers = {name: value.decode() for name, value in message.headers if value is not None}
        key = message.key.decode() if message.key is not None else ""
    except UnicodeDecodeError as error:
        raise Undecodable("no-headers", f"a header or the key is not UTF-8: {error}") from error
    if not any(name.startswith("ce_") for name in headers):
        raise Undecodable("no-headers", "no ce_* header at all: this is not a CloudEvent in binary mode")
    for name in ("id", "type", "source"):
        if not headers.get(f"ce_{name}"):
            raise Undecodable(f"no-{name}", f"the header ce_{name} is missing")
    if message.value is None:
        raise Undecodable("no-data", "the message has no value")
    subject, source = headers.get("ce_subject") or key, headers["ce_source"]
    if max(len(subject), len(source)) > LONGEST_NAME:
        raise Undecodable("too-long", f"ce_subject or ce_source is longer than {LONGEST_NAME} characters")
    id, type, time = _uuid(headers["ce_id"]), headers["ce_type"], _time(headers.get("ce_time", ""))
    cause = Cause(id, headers.get("ce_correlationid", subject), headers.get("traceparent"))
    return Received(id, source, type, subject, time, message.value, cause)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Undecodable("bad-id", f"ce_id is no UUID: {text[:80]!r}") from error


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Undecodable("bad-time", f"ce_time is no RFC 3339 time: {text[:80]!r}") from error
    if moment.tzinfo is None:
        raise Undecodable("bad-time", f"ce_time has no time zone: {text!r}")
    return moment
