"""Models of an event's data, and their ids."""

import json
from typing import Any, ClassVar, NoReturn, TypeVar

import uuid_utils.compat
from pydantic import BaseModel, ConfigDict, ValidationError

from chassis.events.envelope import MAX_TEXT_LENGTH, Envelope, Undecodable, describe_faults

new_id = uuid_utils.compat.uuid7
"""A new UUIDv7. It is unique and grows with time, so that indexes on it stay dense."""


MAX_DATA_BYTES = 960_000
"""The maximum size of a consumed event's data: 240,000 characters (the outbox's limit) of at most four bytes each."""


class _Event(BaseModel):
    event_type: ClassVar[str]
    topic: ClassVar[str]
    key: ClassVar[str]

    def __init_subclass__(cls, *, type: str = "", topic: str = "", key: str = "") -> None:
        super().__init_subclass__()
        cls.event_type = type
        cls.topic = topic
        cls.key = key


class PublishedEvent(_Event):
    """An event that a service publishes. The model matches the event's schema exactly.

    class OrderPlaced(PublishedEvent, type="orders.order-placed.v1", topic="orders.order.v1", key="order_id")

    `key` is the name of the field with the aggregate's id. This id is the subject of the event and the key of the
    message.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def subject(self) -> str:
        """The value of the field that `key` names. It is the message's key."""
        return str(getattr(self, self.key))


class ConsumedEvent(_Event):
    """A service's own model of another service's event, with the fields that it reads. Other fields are ignored.

    class OrderPlaced(ConsumedEvent, type="orders.order-placed.v1", topic="orders.order.v1", key="order_id")

    `key` is the name of the field with the event's subject. A text has at most MAX_TEXT_LENGTH characters. A value is
    of the type that the schema says: "1", 1.0 and true are no integers.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", str_max_length=MAX_TEXT_LENGTH, strict=True)


class ConsumedPart(BaseModel):
    """A part of a consumed event's data, such as a line of an order. Its texts have the event's limit."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_max_length=MAX_TEXT_LENGTH, strict=True)


E = TypeVar("E", bound=ConsumedEvent)


def read_data(model: type[E], envelope: Envelope[bytes]) -> E:
    """Read an event's data into `model`. PostgreSQL can store each text of the result.

    Raises:
        Undecodable: with the reason `too-large`, `schema-violation`, or `bad-subject` where the subject is not the
            field that is the event's key.
    """
    if len(envelope.data) > MAX_DATA_BYTES:
        raise Undecodable("too-large", f"{len(envelope.data)} bytes of data, {MAX_DATA_BYTES} are allowed")
    try:
        data = model.model_validate_json(envelope.data)
    except ValidationError as error:
        raise Undecodable("schema-violation", describe_faults(error)) from error
    # pydantic reads them as numbers, also in a field that the model does not have. Other readers refuse the data.
    if (b"NaN" in envelope.data or b"Infinity" in envelope.data) and not _is_json(envelope.data):
        raise Undecodable("schema-violation", "NaN and Infinity are no JSON")
    # JSON writes a NUL in this form only. After another backslash the same characters are no NUL.
    if b"\\u0000" in envelope.data and _has_nul(json.loads(envelope.data)):
        raise Undecodable("schema-violation", "a text has a NUL, which PostgreSQL does not store")
    if model.key and str(getattr(data, model.key)) != envelope.subject:
        raise Undecodable("bad-subject", f"ce_subject is not the {model.key} of the data")
    return data


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data, parse_constant=_refuse)
    except ValueError:
        return False
    return True


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _has_nul(data: Any) -> bool:
    if isinstance(data, dict):
        return any(_has_nul(part) for entry in data.items() for part in entry)
    if isinstance(data, list):
        return any(_has_nul(part) for part in data)
    return isinstance(data, str) and "\x00" in data
