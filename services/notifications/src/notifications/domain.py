"""What a customer is told, and when to try again. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

LEASE_SECONDS = 20.0
"""How long a claimed notification is left to its deliverer.

After a crash it is sent again when this is over.
"""
SENDING_SECONDS = LEASE_SECONDS / 2
"""Longest time that a deliverer spends on one batch, so that it never sends what another may have claimed."""

_REASONS = {
    "out_of_stock": "we do not have enough of what you ordered",
    "payment_declined": "your payment was declined",
    "customer": "you asked us to",
    "deadline": "it could not be completed in time",
}


class Kind(StrEnum):
    """The outcome that a notification is about."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


class State(StrEnum):
    """PENDING until a channel has taken the message (SENT) or has refused it for good (FAILED).

    SENT is for ever. FAILED lasts until an operator asks for another try.
    """

    PENDING = "PENDING"
    SENT = "SENT"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Taken:
    """A channel has taken the letter."""

    channel: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """No channel will ever take the letter. `reason` is a slug without an address."""

    reason: str


Delivered = Taken | GivenUp
"""How the delivery of a letter ended."""


class UnknownNotification(Exception):
    """No notification has this id."""

    def __init__(self, id: UUID) -> None:
        super().__init__(f"There is no notification {id}.")
        self.id = str(id)


class NotFailed(Exception):
    """Only a FAILED notification is tried again by request."""

    def __init__(self, id: UUID) -> None:
        super().__init__(f"The notification {id} has not failed.")
        self.id = str(id)


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to one customer, about an amount as people write it (`12.99 EUR`).

    `attempts` counts the deliveries begun, this one included.
    """

    id: UUID
    order_id: UUID
    kind: Kind
    customer_id: str
    message_id: str
    amount: str
    reason: str | None
    created_at: datetime
    attempts: int

    @property
    def subject(self) -> str:
        """One line, the same at every attempt."""
        return f"Your order {self.order_id} is {self.kind}"

    @property
    def text(self) -> str:
        """The body, plain text."""
        return f"Hello,\n\n{_sentence(self)}\n\nOrder: {self.order_id}\n\nShopfloor\n"


def message_id(notification_id: UUID) -> str:
    """The Message-ID (RFC 5322) of a notification: always the same, so that mailboxes drop repetitions.

    With its header's name it fits into one line of 78: a folded Message-ID confuses some mailboxes.
    """
    return f"<{notification_id}@shopfloor.example>"


def _sentence(letter: Letter) -> str:
    match letter.kind:
        case Kind.CONFIRMED:
            return f"your order is confirmed and paid: {letter.amount}."
        case Kind.REJECTED:
            return f"we could not accept your order{_because(letter.reason)}. You were not charged."
        case Kind.CANCELLED:
            return f"your order was cancelled{_because(letter.reason)}. Any charge for it goes back to you."
        case Kind.REFUNDED:
            return f"we have refunded {letter.amount} for your order."


def _because(reason: str | None) -> str:
    """A reason that this release does not know is left out: the outcome is what the customer needs."""
    known = _REASONS.get(reason or "")
    return f": {known}" if known else ""
