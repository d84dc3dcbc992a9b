"""The envelope around an event's data: CloudEvents 1.0 in Kafka's binary mode.

Specification: CloudEvents 1.0.2 and its Kafka protocol binding. Attributes are `ce_*` headers, the data is the value.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

T = TypeVar("T")

Headers = list[tuple[str, bytes]]

MAX_NAME_LENGTH = 500
"""Characters of a subject or a source. Both are in indexes, whose entries have at most 2,700 bytes."""


class Cause(NamedTuple):
    """Why an event is published: the event before it, the conversation that it belongs to, the span to continue.

    `event_id` is None where a request or a clock is the cause. `traceparent` is None where there is no trace.
    """

    event_id: UUID | None
    correlation_id: str
    traceparent: str | None


class Envelope(NamedTuple, Generic[T]):
    """One event as a handler gets it. Pass `cause` on with each event that is published because of it."""

    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    data: T
    cause: Cause


Batch = Sequence[Envelope[T]]


class RawMessage(NamedTuple):
    """A message as a transport delivers it, before it is decoded. `position` is (partition, offset)."""

    topic: str
    position: tuple[int, int]
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Undecodable(Exception):
    """A message that is not one of our CloudEvents. `reason` is a slug for machines, the text is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def encode(id: UUID, source: str, type: str, subject: str, time: datetime, cause: Cause) -> Headers:
    """The headers of one event. The value is its data, unchanged. The schema of type `a.b.v1` is `a.b:v1`."""
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


class _RequiredHeaders(BaseModel):
    id: UUID = Field(alias="ce_id")
    type: str = Field(alias="ce_type", min_length=1)
    source: str = Field(alias="ce_source", min_length=1, max_length=MAX_NAME_LENGTH)
    time: AwareDatetime = Field(alias="ce_time")


def decode(message: RawMessage) -> Envelope[bytes]:
    """Read a message's headers. Its data stays JSON in bytes.

    Raises:
        Undecodable: with the reason `no-headers`, `no-data`, or `no-X` or `bad-X`, where X is `id`, `type`, `source`,
            `subject` or `time`, for an attribute that is missing or has a wrong value.
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
    if len(subject) > MAX_NAME_LENGTH:
        raise Undecodable("bad-subject", f"ce_subject is longer than {MAX_NAME_LENGTH} characters")
    try:
        required = _RequiredHeaders.model_validate(headers)
    except ValidationError as error:
        raise Undecodable(_reason(error), describe(error)) from error
    cause = Cause(required.id, headers.get("ce_correlationid", subject), headers.get("traceparent"))
    return Envelope(required.id, required.source, required.type, subject, required.time, message.value, cause)


def describe(error: ValidationError) -> str:
    """What is wrong with a message, without its values: they may be secrets."""
    faults = error.errors(include_input=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'data'}: {fault['msg']}" for fault in faults)


def _reason(error: ValidationError) -> str:
    fault = error.errors()[0]
    attribute = str(fault["loc"][0]).removeprefix("ce_")
    is_missing = fault["type"] in ("missing", "string_too_short")
    return f"{'no' if is_missing else 'bad'}-{attribute}"
