"""The envelope around an event's data: CloudEvents 1.0 in Kafka's binary mode.

Specification: CloudEvents 1.0.2 and its Kafka protocol binding. Attributes are `ce_*` headers, the data is the value.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, ValidationError

T = TypeVar("T")

Headers = list[tuple[str, bytes]]

MAX_TEXT_LENGTH = 500
"""The maximum number of characters of an attribute. Some are in indexes, whose entries have at most 2,700 bytes."""

MAX_FAULTS = 20
"""The maximum number of faults of a message that are reported. A sender could cause any number."""

UNREADABLE = "chassis-unreadable"
"""The header that marks a placeholder record. The consumer makes one for bytes that it cannot parse.

The header's value is the reason, for people.
"""

Attribute = Annotated[str, Field(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=r"^[^\x00]*$")]
"""A text that PostgreSQL can store and index.

The pattern excludes NUL. Lone surrogates need no check: text that was decoded from UTF-8 cannot have them.
"""

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""The earliest time of an event. No event of this system is older, so an older time is wrong."""
LATEST = datetime(9999, 1, 1, tzinfo=UTC)
"""Each time of an event is before this one. At the end of that year a time cannot be converted into every time zone."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def _canonical(value: Any) -> Any:
    if isinstance(value, str) and not _UUID.fullmatch(value):
        raise ValueError("not the canonical form of a UUID: 32 small hexadecimal digits and 4 hyphens")
    return value


def _as_in_rfc_3339(value: Any) -> Any:
    if isinstance(value, datetime) or (isinstance(value, str) and _TIME.fullmatch(value)):
        return value
    raise ValueError("not a time of RFC 3339 with its zone")


# strict=False: after a validator in Python, a strict datetime field refuses a string. The validator has checked the
# format already.
Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_as_in_rfc_3339)]
"""A time in an event. pydantic alone would also take the seconds since 1970, and other forms that no reader expects."""

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Cause(NamedTuple):
    """The cause of an event: the id of the causing event, the correlation id, and the span that the event continues.

    `event_id` is None if a request or a job is the cause. All events of one order have the same `correlation_id`.
    `traceparent` is None without a trace.
    """

    event_id: UUID | None
    correlation_id: str
    traceparent: str | None


class Envelope(NamedTuple, Generic[T]):
    """An event as a handler gets it.

    `cause` is not the cause of this event. It is the `Cause` of the events that the handler publishes because of this
    event: its `event_id` is this `id`.
    """

    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    data: T
    cause: Cause


Batch = Sequence[Envelope[T]]
"""The events of one call of a handler, in their order. Each key occurs at most once, except in the call of a
`WholeBatch` handler of the inbox.
"""


class RawMessage(NamedTuple):
    """A message from the transport, not decoded yet. `position` is (partition, offset)."""

    topic: str
    position: tuple[int, int]
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    system: str = "kafka"
    """The transport, for the message's span: OpenTelemetry's name of the messaging system."""


class Undecodable(Exception):
    """The message is no event that this service can read. `reason` is a slug for programs, the text is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def encode(id: UUID, source: str, type: str, subject: str, time: datetime, cause: Cause) -> Headers:
    """The headers of one event. The data is not part of them: it is the message's value, unchanged.

    The type `a.b.v1` has the schema `a.b:v1`.
    """
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


class _Attributes(BaseModel):
    id: Annotated[UUID, BeforeValidator(_canonical)] = Field(alias="ce_id")
    type: Attribute = Field(alias="ce_type")
    source: Attribute = Field(alias="ce_source")
    subject: Attribute = Field(alias="ce_subject")
    time: Time = Field(alias="ce_time", ge=EARLIEST, lt=LATEST)
    correlation_id: Attribute | None = Field(None, alias="ce_correlationid")


_NAMES = tuple(field.alias or name for name, field in _Attributes.model_fields.items())


def decode(message: RawMessage) -> Envelope[bytes]:
    """Read a message's attributes. Other headers may have any bytes. The data stays JSON in bytes.

    The source must own the topic: a message on `a.b.v1` is from `/a`. The key must be the subject. A wrong
    `traceparent` is left out, because tracing must not decide which messages are handled.

    Raises:
        Undecodable: with one of these reasons.
            `unreadable`: the consumer could not parse the record.
            `no-headers`: the message has none of the `ce_*` headers that are read.
            `no-data`: the message has no value.
            `bad-key`: the message's key is not the subject.
            `no-X`, `bad-X`: the attribute X is missing or has a wrong value. X is `id`, `type`, `source`, `subject`,
            `time` or `correlationid`.
    """
    headers = dict(message.headers)
    if UNREADABLE in headers:
        raise Undecodable("unreadable", (headers[UNREADABLE] or b"").decode(errors="replace"))
    attributes = _read_attributes(headers)
    if message.value is None:
        raise Undecodable("no-data", "the message has no value")
    if message.key != headers["ce_subject"]:
        raise Undecodable("bad-key", "the message's key is not its ce_subject")
    owner = message.topic.partition(".")[0]
    if attributes.source != f"/{owner}":
        raise Undecodable("bad-source", f"{attributes.source!r} does not own the topic {message.topic}")
    correlation_id = attributes.correlation_id or attributes.subject
    cause = Cause(attributes.id, correlation_id, _traceparent(headers.get("traceparent")))
    return Envelope(
        attributes.id,
        attributes.source,
        attributes.type,
        attributes.subject,
        attributes.time,
        message.value,
        cause,
    )


def describe_faults(error: ValidationError) -> str:
    """At most MAX_FAULTS faults of a message, without its values, which may be secret."""
    faults = error.errors(include_input=False)[:MAX_FAULTS]
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'data'}: {fault['msg']}" for fault in faults)


def _read_attributes(headers: Mapping[str, bytes | None]) -> _Attributes:
    text: dict[str, str] = {}
    for name in _NAMES:
        value = headers.get(name)
        if value is None:
            continue
        try:
            text[name] = value.decode()
        except UnicodeDecodeError as error:
            raise Undecodable(f"bad-{_attribute(name)}", f"{name} is not UTF-8: {error.reason}") from error
    if not text:
        raise Undecodable(
            "no-headers", "no ce_* header that is read: this is not a CloudEvent in binary mode"
        )
    try:
        return _Attributes.model_validate(text)
    except ValidationError as error:
        raise Undecodable(_reason(error), describe_faults(error)) from error


def _reason(error: ValidationError) -> str:
    fault = error.errors()[0]
    is_missing = fault["type"] in ("missing", "string_too_short")
    return f"{'no' if is_missing else 'bad'}-{_attribute(str(fault['loc'][0]))}"


def _attribute(header: str) -> str:
    return header.removeprefix("ce_")


def _traceparent(value: bytes | None) -> str | None:
    return value.decode() if value is not None and _TRACEPARENT.fullmatch(value) else None
