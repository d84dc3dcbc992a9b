"""Models of an event's data, and their ids."""

from typing import ClassVar

import uuid_utils.compat
from pydantic import BaseModel, ConfigDict

new_id = uuid_utils.compat.uuid7
"""A new UUIDv7: unique, and in the order of time, so that indexes on it stay dense."""


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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def subject(self) -> str:
        """The id of the aggregate that the event is about. It is the message's key."""
        return str(getattr(self, self.key))


class ConsumedEvent(_Event):
    """A service's own read model of another service's event: the fields that it reads. All others are ignored.

    class OrderPlaced(ConsumedEvent, type="orders.order-placed.v1", topic="orders.order.v1")
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
