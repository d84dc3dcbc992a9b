"""What travels between services: CloudEvents 1.0 in Kafka's binary mode, and the models of an event's data.

Specification: CloudEvents 1.0.2 and its Kafka protocol binding (attributes in `ce_*` headers, data as the value).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Generic, NamedTuple, TypeVar
from uuid import UUID

import uuid_utils.compat
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from chassis import telemetry

T = TypeVar("T")
Headers = list[tuple[str, bytes]]
LONGEST_NAME = 500
"""Characters of a subject or a source: both are in indexes, which take no more than 2,700 bytes."""


new_id = uuid_utils.compat.uuid7
"""A UUIDv7: unique, and in the order of time, so that indexes on it stay dense."""


class Money(BaseModel):
    """An amount in minor units (cents) of an ISO-4217 currency."""

    model_config = ConfigDict(frozen=True)

    amount_minor: int
    currency: str = Field(pattern=r"^[A-Z]{3}$")


class _Event(BaseModel):
    event_type: ClassVar[str]
    topic: ClassVar[str]
    key: ClassVar[str]

    def __init_subclass__(cls, *, type: str = "", topic: str = "", key: str = "") -> None:
        super().__init_subclass__()
        cls.event_type, cls.topic, cls.key = type, topic, key


class PublishedEvent(_Event):
    """An event that a service publishes; the model matches the event's schema exactly.

    class OrderPlaced(PublishedEvent, type="orders.order-placed.v1", topic="orders.order.v1", key="order_id")
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def subject(self) -> str:
        """The id of the aggregate that the event is about: the message's key."""
        return str(getattr(self, self.key))


class ConsumedEvent(_Event):
    """A service's own read model of somebody's event: only the fields that it reads, all others are ignored.

    class OrderPlaced(ConsumedEvent, type="orders.order-placed.v1", topic="orders.order.v1")
    """

    model_config = ConfigDict(frozen=True, extra="ignore")


class Cause(NamedTuple):
    """Why something is published: the event before it, the conversation it belongs to, the span to continue."""

    event_id: UUID | None
    correlation_id: str
    traceparent: str | None

    @classmethod
    def of_request(cls, correlation_id: str) -> "Cause":
        """The cause is a request or a clock, not an event: continue the span that is current."""
        return cls(None, correlation_id, telemetry.traceparent_of())


class Received(NamedTuple, Generic[T]):
    """One event as a handler gets it. `cause` is what to pass on when something is published because of it."""

    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    data: T
    cause: Cause


Batch = Sequence[Received[T]]


class RawMessage(NamedTuple):
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


def encode(id: UUID, source: str, type: str, subject: str, time: datetime, cause: Cause) -> Headers:
    """The headers of one event; the value is its data, as it is. The schema of `a.b.v1` is `a.b:v1`."""
    name, _, version = type.rpartition(".")
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": str(id),
        "ce_source": source,
        "ce_type": type,
        "ce_time": time.isoformat(),
        "ce_subject": subject,
        "ce_dataschema": f"urn:shopfloor:schema:{name}:{version}",
        "content-type": "application/json",
        "ce_correlationid": cause.correlation_id,
        "ce_causationid": None if cause.event_id is None else str(cause.event_id),
        "traceparent": cause.traceparent,
    }
    return [(name, value.encode()) for name, value in attributes.items() if value is not None]


class _Head(BaseModel):
    """What has to be in the headers."""

    id: UUID = Field(alias="ce_id")
    type: str = Field(alias="ce_type", min_length=1)
    source: str = Field(alias="ce_source", min_length=1, max_length=LONGEST_NAME)
    time: AwareDatetime = Field(alias="ce_time")


def decode(message: RawMessage) -> Received[bytes]:
    """Read a message's headers; its data stays the JSON that it is.

    Raises Undecodable with reason `no-headers`, `no-data`, or `no-` or `bad-` and what of id, type, source, subject and
    time is not there or not what it should be.
    """
    try:
        headers = {name: value.decode() for name, value in message.headers if value is not None}
        subject = headers.get("ce_subject") or (message.key or b"").decode()
    except UnicodeDecodeError as error:
        raise Undecodable("no-headers", f"a header or the key is not UTF-8: {error}") from error
    if not any(name.startswith("ce_") for name in headers):
        raise Undecodable("no-headers", "no ce_* header at all: this is not a CloudEvent in binary mode")
    if message.value is None:
        raise Undecodable("no-data", "the message has no value")
    if len(subject) > LONGEST_NAME:
        raise Undecodable("bad-subject", f"ce_subject is longer than {LONGEST_NAME} characters")
    try:
        head = _Head.model_validate(headers)
    except ValidationError as error:
        fault = error.errors()[0]
        kind = "no" if fault["type"] in ("missing", "string_too_short") else "bad"
        raise Undecodable(f"{kind}-{str(fault['loc'][0])[3:]}", describe(error)) from error
    cause = Cause(head.id, headers.get("ce_correlationid", subject), headers.get("traceparent"))
    return Received(head.id, head.source, head.type, subject, head.time, message.value, cause)


def describe(error: ValidationError) -> str:
    """What is wrong with a message, without its values: they may be secrets."""
    faults = error.errors(include_input=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'data'}: {fault['msg']}" for fault in faults)
